"""Request and response bodies of the report of duplicates and of its merge."""

import uuid
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from app.core.pagination import Page
from app.images.schemas import ImageRead
from app.similarity.repository import SimilarityKind

# A merge is one transaction, of as many images as one of a bulk change.
MAX_OTHERS = 500
_KEEP = "1f0c3a52-c7d4-11f0-9d7e-63c1c0a4b6f1"
_OTHER = "2a9d0f10-c7d4-11f0-8a53-63c1c0a4b6f1"


class DuplicateGroup(BaseModel):
    """Images that are duplicates of the first one, which is the oldest."""

    kind: SimilarityKind
    images: list[ImageRead]


class DuplicatePage(Page[DuplicateGroup]):
    """A page of groups. It can have fewer than `limit`, also none, before the last page."""


class DuplicateMerge(BaseModel):
    """The image to keep, and the images whose tags it gets and that go to the trash."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"keep": _KEEP, "others": [_OTHER], "dry_run": True}]}
    )

    keep: uuid.UUID
    others: Annotated[list[uuid.UUID], Field(min_length=1, max_length=MAX_OTHERS)]
    dry_run: StrictBool = False

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if len({self.keep, *self.others}) <= len(self.others):
            raise ValueError("The ids must differ from each other, and keep must not be one of others.")
        return self


class DuplicateMergeResult(BaseModel):
    """The number of images that change: the others, and `keep` if it gets tags. `batch` is null for a dry run."""

    changed: int = Field(examples=[3])
    batch: uuid.UUID | None = Field(examples=["7b8a1c9e-2f64-4d0b-9a51-0c6d3e2f1a10"])
