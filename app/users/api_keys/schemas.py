"""Request and response bodies of API keys."""

import uuid
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.core.pagination import Page
from app.core.text.normalization import refuse_control
from app.core.text.timestamps import Timestamp
from app.models import Scope
from app.users.accounts.field_types import CurrentPassword


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

    model_config = ConfigDict(from_attributes=True)

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
