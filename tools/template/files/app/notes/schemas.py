"""Request and response bodies of notes."""

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.core.pagination import Page
from app.core.text.normalization import refuse_control


class NoteCreate(BaseModel):
    """The title and the text of a new note."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, Field(min_length=1, max_length=100, examples=["Groceries"]), AfterValidator(refuse_control)]
    text: Annotated[str, Field(max_length=4096, examples=["Bread and milk"]), AfterValidator(refuse_control)]


class NoteRead(BaseModel):
    """A note."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    title: str = Field(examples=["Groceries"])
    text: str = Field(examples=["Bread and milk"])
    created_at: datetime


class NotePage(Page[NoteRead]):
    """A page of notes."""
