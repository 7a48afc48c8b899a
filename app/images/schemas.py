import uuid
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.core.pagination import Page
from app.core.tag_names import TagNames
from app.models.image import Visibility


class ImageLinks(BaseModel):
    """Paths of what belongs to the image."""

    self: str = Field(examples=["/v1/images/1f0c3a52-c7d4-11f0-9d7e-63c1c0a4b6f1"])
    content: str = Field(examples=["/v1/images/1f0c3a52-c7d4-11f0-9d7e-63c1c0a4b6f1/content"])
    thumbnail: str = Field(examples=["/v1/images/1f0c3a52-c7d4-11f0-9d7e-63c1c0a4b6f1/thumbnail"])


class ImageRead(BaseModel):
    """A stored image; `size` is in bytes, `width` and `height` in pixels."""

    id: uuid.UUID
    name: str = Field(examples=["chelsea.png"])
    content_type: str = Field(examples=["image/png"])
    size: int = Field(examples=[240512])
    width: int = Field(examples=[451])
    height: int = Field(examples=[300])
    sha256: str = Field(examples=["596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb"])
    visibility: Visibility
    tags: list[str] = Field(examples=[["cat", "portrait"]])
    uploaded_by: uuid.UUID | None
    created_at: datetime
    links: ImageLinks


class ImagePage(Page[ImageRead]):
    """A page of images; `query` is the canonical form of what was asked."""

    query: str = Field(examples=["cat -dog"])
    total: int | None = Field(default=None, examples=[1234], description="With `count` only")
    total_is: Literal["exact", "estimate"] | None = None


class TagsUpdate(BaseModel):
    """The tags that the image is to have."""

    model_config = ConfigDict(extra="forbid")

    tags: TagNames
