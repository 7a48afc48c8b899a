"""Request and response bodies of accounts, sessions and API keys."""

import uuid
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from app.core.pagination import Page
from app.core.text.normalization import Text, refuse_control
from app.core.text.timestamps import Timestamp
from app.models import Scope, User
from app.users.accounts import password_policy
from app.users.accounts.email import MAX_LENGTH as MAX_EMAIL_LENGTH
from app.users.accounts.email import normalize_email

Email = Annotated[
    str,
    Field(max_length=MAX_EMAIL_LENGTH, examples=["ada@example.com"], json_schema_extra={"format": "email"}),
    AfterValidator(normalize_email),
]
_PASSWORD = Field(
    min_length=password_policy.MIN_LENGTH,
    max_length=password_policy.MAX_LENGTH,
    examples=["correct horse battery staple"],
    json_schema_extra={"format": "password"},
)
NewPassword = Annotated[str, _PASSWORD, AfterValidator(password_policy.check_new_password)]
CurrentPassword = Annotated[
    str,
    Field(max_length=password_policy.MAX_LENGTH, json_schema_extra={"format": "password"}),
    AfterValidator(refuse_control),
]


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


def to_read(user: User, providers: list[str]) -> UserRead:
    """Shape an account for the wire; hashes and tokens stay behind."""
    return UserRead(
        id=user.id,
        email=user.email,
        email_verified=user.email_verified,
        created_at=user.created_at,
        is_admin=user.is_admin,
        providers=providers,
        has_password=user.password is not None,
    )


class UserPage(Page[UserRead]):
    """A page of accounts."""


class TokenRead(BaseModel):
    """The OAuth 2 token response. `expires_in` is in seconds."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of a scheme
    expires_in: int = Field(examples=[900])
    refresh_token: str


class SessionRead(BaseModel):
    """An active session."""

    id: uuid.UUID
    created_at: datetime
    last_used_at: datetime = Field(description="The last sign-in or refresh")
    expires_at: datetime
    address: str | None = Field(examples=["192.0.2.7"])
    user_agent: str | None = Field(examples=["curl/8.11.0"])
    current: bool = Field(description="Whether the request belongs to this session")


class SessionPage(Page[SessionRead]):
    """A page of sessions."""


def _future(moment: datetime) -> datetime:
    if moment <= datetime.now(UTC):
        raise ValueError("The time must be in the future.")
    return moment


def _distinct(scopes: list[Scope]) -> list[Scope]:
    return sorted(set(scopes))


class ApiKeyCreate(BaseModel):
    """The name, the scopes and the expiry of an API key."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str, Field(min_length=1, max_length=100, examples=["backup script"]), AfterValidator(refuse_control)
    ]
    scopes: Annotated[
        list[Scope],
        Field(min_length=1, max_length=10, examples=[["read"]], description="`read`: GET; `write`: other methods"),
        AfterValidator(_distinct),
    ]
    expires_at: Annotated[
        Timestamp | None, AfterValidator(lambda moment: moment and _future(moment)), Field(examples=[None])
    ] = None
    current_password: Annotated[
        CurrentPassword | None,
        Field(
            examples=["correct horse battery staple"],
            description="Required if the last sign-in is more than ten minutes old",
        ),
    ] = None


class ApiKeyRead(BaseModel):
    """An API key, without the key."""

    id: uuid.UUID
    name: str = Field(examples=["backup script"])
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="The last use, with a resolution of one minute")


class ApiKeyPage(Page[ApiKeyRead]):
    """A page of API keys."""


class ApiKeyCreated(ApiKeyRead):
    """A new API key. `key` is shown only in this response."""

    key: str = Field(examples=["imts_9m0X2…"])
