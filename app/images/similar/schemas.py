"""Response bodies of similar images."""

from collections.abc import Iterable

from pydantic import BaseModel, Field
from pydantic_core import to_json

from app.images.schemas import ImageRead, image_fields
from app.search.strategies.row import ImageRow
from app.similarity.repository import SimilarImage, SimilarityKind


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


def similar_json(images: Iterable[tuple[SimilarImage, ImageRow]]) -> bytes:
    """Return a SimilarList as JSON, in one pass, as `page_json` does."""
    items = [
        {"image": image_fields(row, row.tags), "kind": similar.kind, "distance": similar.distance}
        for similar, row in images
    ]
    return to_json({"items": items})
