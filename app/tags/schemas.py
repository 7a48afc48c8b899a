from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from app.core.pagination import Page
from app.core.tag_names import TagNames


class TagRead(BaseModel):
    """A tag; `images` is the exact number of public images that have it."""

    name: str = Field(examples=["cat"])
    images: int = Field(examples=[42])
    aliases: list[str] = []
    implies: list[str] = []
    created_at: datetime


class TagsCreate(BaseModel):
    """Names to have as tags."""

    model_config = ConfigDict(extra="forbid")

    names: TagNames


class TagList(BaseModel):
    """The tags asked for, known ones included."""

    items: list[TagRead]


class TagPage(Page[TagRead]):
    """A page of tags."""
