from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.users.schemas import NewPassword, UserRead

MAX_BYTES = 2**63 - 1
ImagesOnDeletion: TypeAlias = Literal["keep", "delete"]


class AccountRead(UserRead):
    """An account as admins see it."""

    disabled: bool
    quota_bytes: int | None = Field(description="The account's own quota; null: `MAX_BYTES_PER_USER` applies")
    images: int = Field(examples=[1234])
    bytes: int = Field(description="The size of its images", examples=[5368709120])
    last_seen_at: datetime | None = Field(
        description="The last use of its current sessions and API keys, exact to the life of an access token"
    )


class AccountUpdate(BaseModel):
    """What an admin changes of an account."""

    model_config = ConfigDict(extra="forbid")

    is_admin: bool = False
    disabled: bool = False
    quota_bytes: Annotated[
        int | None,
        Field(ge=0, le=MAX_BYTES, description="Null: `MAX_BYTES_PER_USER` applies", examples=[10737418240]),
    ] = None
    password: Annotated[NewPassword | None, Field(examples=["a new and better password"])] = None

    def sets(self, field: str) -> bool:
        """Return whether the request has this field."""
        return field in self.model_fields_set

    @property
    def withdraws_admin(self) -> bool:
        """Whether the account can no longer act as an admin afterwards."""
        return self.disabled or (self.sets("is_admin") and not self.is_admin)

    @property
    def changes_rights(self) -> bool:
        """Whether the change gives someone a way into the account, or the account the rights of an admin."""
        return self.password is not None or self.sets("is_admin")

    @model_validator(mode="after")
    def _is_not_empty(self) -> "AccountUpdate":
        if not self.model_fields_set:
            raise ValueError("at least one field is required")
        return self
