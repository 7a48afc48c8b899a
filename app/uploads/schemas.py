"""Response bodies of the upload endpoints."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from app.models import Upload


class UploadRead(BaseModel):
    """An upload in progress. `offset` and `length` are in bytes; `length` is null until the client declares it."""

    id: uuid.UUID
    name: str = Field(examples=["holiday.heic"])
    offset: int = Field(examples=[5242880])
    length: int | None = Field(examples=[20971520])
    expires_at: datetime


class UploadList(BaseModel):
    """The uploads in progress of an account, oldest first."""

    items: list[UploadRead]

    @classmethod
    def of(cls, uploads: Iterable[Upload]) -> Self:
        """Return the list for these uploads."""
        return cls(
            items=[
                UploadRead(
                    id=one.id, name=one.name, offset=one.received_bytes, length=one.length, expires_at=one.expires_at
                )
                for one in uploads
            ]
        )
