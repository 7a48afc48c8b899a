"""Response bodies of sessions and their tokens."""

import uuid
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from app.core.pagination import Page
from app.models import UserSession


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

    @classmethod
    def of(cls, session: UserSession, current_id: uuid.UUID | None) -> "SessionRead":
        """Return the session; `current_id` is the session of the request."""
        return cls(
            id=session.id,
            created_at=session.created_at,
            last_used_at=session.rotated_at,
            expires_at=session.expires_at,
            address=session.address,
            user_agent=session.user_agent,
            current=session.id == current_id,
        )


class SessionPage(Page[SessionRead]):
    """A page of sessions."""
