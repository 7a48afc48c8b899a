"""Response bodies of similar images."""

from pydantic import BaseModel, Field

from app.images.schemas import ImageRead
from app.similarity.repository import SimilarityKind


class SimilarImageRead(BaseModel):
    """A similar image."""

    image: ImageRead
    kind: SimilarityKind = Field(
        description="`bytes`: the same file. `pixels`: the same decoded picture. `near`: a near-duplicate"
    )
    distance: int = Field(
        examples=[4], description="The number of different bits of the hashes, of 256; 0 for `bytes` and `pixels`"
    )


class SimilarList(BaseModel):
    """Similar images, nearest first."""

    items: list[SimilarImageRead]
