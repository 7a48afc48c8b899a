from dataclasses import dataclass
from uuid import UUID

from app.models import Scope, User


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: an account in one of its sessions or by one of its API keys, or nobody in particular."""

    user: User | None = None
    session_id: UUID | None = None
    key_id: UUID | None = None
    # An API key's scopes; None where nothing narrows the account's own rights.
    scopes: frozenset[Scope] | None = None

    @property
    def id(self) -> UUID | None:
        """The account's id."""
        return self.user.id if self.user else None

    @property
    def is_admin(self) -> bool:
        """Whether an admin asks, with a credential that may act as one."""
        return self.user is not None and self.user.is_admin and self.has(Scope.ADMIN)

    def has(self, scope: Scope) -> bool:
        """Tell whether the credential reaches this far."""
        return self.scopes is None or scope in self.scopes
