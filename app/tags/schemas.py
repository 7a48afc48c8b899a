"""Request and response bodies of the tag endpoints."""

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.core.pagination import Page
from app.core.text.tag_names import TagName, TagNames


class TagRead(BaseModel):
    """A tag. `images` is the exact number of public images with the tag."""

    name: str = Field(examples=["cat"])
    images: int = Field(examples=[42])
    aliases: list[str] = Field(examples=[["kitty"]])
    implies: list[str] = Field(examples=[["animal"]], description="Directly implied tags")
    created_at: datetime
    alias_of: str | None = Field(default=None, description="The requested alias, if the request named one")


class TagChanged(TagRead):
    """A tag that was renamed, or that another was merged into. `batch` is the id of the change in the history."""

    batch: uuid.UUID | None = Field(examples=["7b8a1c9e-2f64-4d0b-9a51-0c6d3e2f1a10"])


class TagsCreate(BaseModel):
    """The names of tags. They are stored in NFC and case-folded, with single spaces.

    A name has 1 to 64 characters: letters of any script with their marks, digits, spaces and `_ - . : ( ) ' & ! + ~ #`.
    It does not start with `-` or `~`, and is not `.`, `..`, `or`, `and` or `not`. Invisible characters are refused.
    """

    model_config = ConfigDict(extra="forbid")

    names: TagNames = Field(examples=[["cat", "feline", "animal"]])


class TagRename(BaseModel):
    """The new name of a tag."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[TagName, Field(examples=["house cat"])]


class TagMerge(BaseModel):
    """The target of a merge."""

    model_config = ConfigDict(extra="forbid")

    into: Annotated[TagName, Field(examples=["feline"])]


class TagAliases(BaseModel):
    """All the other names of a tag."""

    model_config = ConfigDict(extra="forbid")

    aliases: TagNames = Field(examples=[["kitty"]])


class TagImplications(BaseModel):
    """All the tags that a tag implies directly."""

    model_config = ConfigDict(extra="forbid")

    implies: TagNames = Field(examples=[["animal"]])


class TagList(BaseModel):
    """The requested tags, including existing ones."""

    items: list[TagRead]


class TagPage(Page[TagRead]):
    """A page of tags."""


class RelatedRead(BaseModel):
    """A related tag. `score` is the cosine similarity, from 0 to 1."""

    tag: str = Field(examples=["whiskers"])
    images: int = Field(examples=[17])
    score: float = Field(examples=[0.63])


class RelatedList(BaseModel):
    """Related tags, the most similar first."""

    items: list[RelatedRead]
