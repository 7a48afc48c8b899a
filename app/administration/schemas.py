"""Request and response bodies of account administration."""

import uuid
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, model_validator

from app.core.pagination import Page
from app.core.text.timestamps import Timestamp
from app.db.base import utc_now
from app.users.accounts.field_types import Email, NewPassword
from app.users.accounts.schemas import UserRead

MAX_BYTES = 2**63 - 1
ImagesOnDeletion: TypeAlias = Literal["keep", "delete"]


class AccountRead(UserRead):
    """An account, as admins see it."""

    disabled: bool
    quota_bytes: int | None = Field(description="The quota of this account; null: `MAX_BYTES_PER_USER` applies")
    images: int = Field(examples=[1234])
    bytes: int = Field(description="The total size of its images", examples=[5368709120])
    last_seen_at: datetime | None = Field(
        description="The last use of a current session or API key, with a resolution of one access token lifetime"
    )


class UsageRead(BaseModel):
    """The storage usage of an account. Images, uploads in progress and the trash count against its quota."""

    images: int = Field(examples=[1234])
    bytes: int = Field(description="The total size of the images", examples=[5368709120])
    quota_bytes: int | None = Field(description="The effective quota; null: no quota", examples=[10737418240])
    trashed_images: int = Field(examples=[0])
    trashed_bytes: int = Field(examples=[0])
    uploading_bytes: int = Field(examples=[0])


class AccountUpdate(BaseModel):
    """The fields of an account that an admin changes."""

    model_config = ConfigDict(extra="forbid")

    is_admin: StrictBool = False
    disabled: StrictBool = False
    quota_bytes: Annotated[
        StrictInt | None,
        Field(ge=0, le=MAX_BYTES, description="Null: `MAX_BYTES_PER_USER` applies", examples=[10737418240]),
    ] = None
    password: Annotated[NewPassword | None, Field(examples=["a new and better password"])] = None

    def sets(self, field: str) -> bool:
        """Return whether the request has this field."""
        return field in self.model_fields_set

    @property
    def changes_rights(self) -> bool:
        """Whether the change sets the password or the role of the account."""
        return self.password is not None or self.sets("is_admin")

    @model_validator(mode="after")
    def _is_not_empty(self) -> "AccountUpdate":
        if not self.model_fields_set:
            raise ValueError("at least one field is required")
        return self


class InvitationCreate(BaseModel):
    """The recipient and the expiry of an invitation."""

    model_config = ConfigDict(extra="forbid")

    email: Annotated[Email | None, Field(description="The only address that can use it; null: any address")] = None
    expires_at: Annotated[
        Timestamp | None, Field(description="A time in the future; the default is seven days from now", examples=[None])
    ] = None

    @model_validator(mode="after")
    def _ends_in_the_future(self) -> "InvitationCreate":
        if self.expires_at is not None and self.expires_at <= utc_now():
            raise ValueError("expires_at must be in the future")
        return self


class InvitationRead(BaseModel):
    """An unused invitation, without its code."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    email: str | None = Field(examples=["ada@example.com"])
    created_by: uuid.UUID
    created_at: datetime
    expires_at: datetime


class InvitationCreated(InvitationRead):
    """A new invitation. `code` is shown only in this response."""

    code: str = Field(examples=["hk3d…"])


class InvitationPage(Page[InvitationRead]):
    """A page of invitations."""
