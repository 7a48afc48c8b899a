"""Request and response bodies of the trash."""

import uuid
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.core.pagination import Page
from app.images.schemas import ImageRead, to_read
from app.images.upload.filenames import ImageName
from app.models import TrashedImage


class TrashedImageRead(ImageRead):
    """An image in the trash. Its links work again after it is restored."""

    trashed_at: datetime
    trashed_by: uuid.UUID | None = Field(description="The account that deleted the image")
    expires_at: datetime = Field(description="The time after which the image is deleted permanently")
    batch: uuid.UUID | None = Field(description="The batch of a bulk deletion", examples=[None])


class TrashPage(Page[TrashedImageRead]):
    """A page of the trash."""


class ImageRestore(BaseModel):
    """The name of the restored image. Without one, it has the name that it had."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[ImageName | None, Field(examples=["chelsea (2).png"])] = None


def to_trashed(image: TrashedImage, tags: list[str], trash_days: float) -> TrashedImageRead:
    """Shape an image in the trash for the wire."""
    return TrashedImageRead(
        **to_read(image, tags).model_dump(),
        trashed_at=image.trashed_at,
        trashed_by=image.trashed_by,
        expires_at=image.trashed_at + timedelta(days=trash_days),
        batch=image.batch,
    )
