from dataclasses import dataclass
from uuid import UUID

from app.models import User


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: an account in one of its sessions, or nobody in particular."""

    user: User | None = None
    session_id: UUID | None = None

    @property
    def id(self) -> UUID | None:
        """The account's id."""
        return self.user.id if self.user else None

    @property
    def is_admin(self) -> bool:
        """Whether an admin asks."""
        return self.user is not None and self.user.is_admin
