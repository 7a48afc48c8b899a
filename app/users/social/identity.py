"""Who somebody is at an identity provider, and the protocol that every kind of provider keeps."""

from dataclasses import dataclass, field
from typing import Any, Protocol

MAX_SUBJECT = 255


@dataclass(frozen=True, slots=True)
class Identity:
    """What a provider vouches for. Issuer and subject name the identity; the e-mail only says where to write."""

    issuer: str
    subject: str
    email: str | None
    email_verified: bool
    access_token: str = field(repr=False)
    expires_in: int | None


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the exchange of a code needs of the login that it ends."""

    code: str = field(repr=False)
    code_verifier: str = field(repr=False)
    nonce: str = field(repr=False)
    redirect_uri: str


class Provider(Protocol):
    """One identity provider."""

    issuer: str

    async def authorization_url(self, *, state: str, nonce: str, code_challenge: str, redirect_uri: str) -> str:
        """Return where to send the browser. Raises IdentityProviderUnavailable."""

    async def identify(self, exchange: Exchange) -> Identity:
        """Exchange the code. Raises SocialLoginFailed, IdentityProviderUnavailable."""


def lifetime_of(token: dict[str, Any]) -> int | None:
    """Return a token answer's `expires_in` in seconds, when it says a sane one."""
    seconds = token.get("expires_in")
    return seconds if type(seconds) is int and 0 < seconds < 10**9 else None
