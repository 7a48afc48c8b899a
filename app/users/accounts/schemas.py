"""Request and response bodies of accounts."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from app.core.pagination import Page
from app.core.text.normalization import Text
from app.models import User
from app.users.accounts.field_types import CurrentPassword, Email, NewPassword


class UserCreate(BaseModel):
    """The data of a new account."""

    model_config = ConfigDict(extra="forbid")

    email: Email
    password: NewPassword
    invitation_code: Annotated[
        Text | None,
        Field(max_length=128, examples=[None], description="Required if sign-up is by invitation; valid once"),
    ] = None


class UserUpdate(BaseModel):
    """The fields of the caller's account to change, and the current password."""

    model_config = ConfigDict(extra="forbid")

    email: Annotated[Email | None, Field(examples=["ada@example.org"])] = None
    password: Annotated[NewPassword | None, Field(examples=["a new and better password"])] = None
    current_password: Annotated[
        CurrentPassword | None,
        Field(examples=["correct horse battery staple"], description="Required if the account has a password"),
    ] = None
    keep_api_keys: Annotated[
        StrictBool, Field(description="Whether the API keys stay valid when the password changes", examples=[False])
    ] = False


class UserRead(BaseModel):
    """An account, as its owner and admins see it."""

    id: uuid.UUID
    email: str = Field(examples=["ada@example.com"])
    email_verified: bool = Field(description="Whether a mailed link or an identity provider has verified the address")
    created_at: datetime
    is_admin: bool
    providers: list[str] = Field(description="Identity providers linked to the account", examples=[["google"]])
    has_password: bool

    @classmethod
    def of(cls, user: User, providers: Sequence[str]) -> "UserRead":
        """Return the public fields of the account; the password hash and the token are not among them."""
        return cls(
            id=user.id,
            email=user.email,
            email_verified=user.email_verified,
            created_at=user.created_at,
            is_admin=user.is_admin,
            providers=[*providers],
            has_password=user.password is not None,
        )


class UserPage(Page[UserRead]):
    """A page of accounts."""
