"""The caller of a request, as authentication has established it."""

from dataclasses import dataclass
from uuid import UUID

from app.models import Scope, User


@dataclass(frozen=True, slots=True)
class Principal:
    """An account with the session or API key of the request; an anonymous caller has neither."""

    user: User | None = None
    session_id: UUID | None = None
    key_id: UUID | None = None
    # The scopes of an API key. None for a session, which has all rights of its account.
    scopes: frozenset[Scope] | None = None

    @property
    def id(self) -> UUID | None:
        return self.user.id if self.user else None

    @property
    def is_admin(self) -> bool:
        """Whether the account is an admin and the credential has the scope `admin`."""
        return self.user is not None and self.user.is_admin and self.has(Scope.ADMIN)

    def has(self, scope: Scope) -> bool:
        """Return whether the credential has the scope."""
        return self.scopes is None or scope in self.scopes
