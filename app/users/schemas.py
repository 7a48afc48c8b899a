import uuid
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.core.text import refuse_control
from app.users.email import normalize_email

Email = Annotated[str, Field(max_length=320, examples=["ada@example.com"]), AfterValidator(normalize_email)]
Password = Annotated[
    str,
    Field(
        min_length=8,
        max_length=1024,
        examples=["correct horse battery staple"],
        json_schema_extra={"format": "password"},
    ),
    AfterValidator(refuse_control),
]


class UserCreate(BaseModel):
    """What it takes to sign up."""

    model_config = ConfigDict(extra="forbid")

    email: Email
    password: Password


class UserRead(BaseModel):
    """An account, as its owner and the admins see it."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    email: str = Field(examples=["ada@example.com"])
    created_at: datetime
    is_admin: bool
    providers: list[str] = Field(default=[], description="Social identity providers linked to the account")
    has_password: bool


class TokenRead(BaseModel):
    """The OAuth 2 token answer; `expires_in` is in seconds."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of a scheme
    expires_in: int = Field(examples=[900])
    refresh_token: str
