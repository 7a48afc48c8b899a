from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.core.pagination import Page
from app.core.text.tag_names import TagName, TagNames


class TagRead(BaseModel):
    """A tag; `images` is the exact number of public images that have it."""

    name: str = Field(examples=["cat"])
    images: int = Field(examples=[42])
    aliases: list[str] = Field(examples=[["kitty"]])
    implies: list[str] = Field(examples=[["animal"]], description="Directly; what those imply comes with them")
    created_at: datetime
    alias_of: str | None = Field(default=None, description="Set when the name asked for is an alias of this tag")


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
    """The tag that is to take another one in."""

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
    """The tags asked for, known ones included."""

    items: list[TagRead]


class TagPage(Page[TagRead]):
    """A page of tags."""


class RelatedRead(BaseModel):
    """A tag that occurs together with another; `score` is their cosine similarity, 0 to 1."""

    tag: str = Field(examples=["whiskers"])
    images: int = Field(examples=[17])
    score: float = Field(examples=[0.63])


class RelatedList(BaseModel):
    """The most similar first."""

    items: list[RelatedRead]
