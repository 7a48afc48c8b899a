"""The protocol of identity providers, and the identity that they return."""

from dataclasses import dataclass, field
from typing import Any, Protocol

MAX_SUBJECT = 255


@dataclass(frozen=True, slots=True)
class Identity:
    """An identity at a provider. Issuer and subject identify it; the e-mail address does not."""

    issuer: str
    subject: str
    email: str | None
    email_verified: bool
    access_token: str = field(repr=False)
    expires_in: int | None


@dataclass(frozen=True, slots=True)
class CodeExchange:
    """The parameters of an authorization code exchange."""

    code: str = field(repr=False)
    code_verifier: str = field(repr=False)
    nonce: str = field(repr=False)
    redirect_uri: str


class Provider(Protocol):
    """One identity provider."""

    issuer: str

    async def build_authorization_url(self, *, state: str, nonce: str, code_challenge: str, redirect_uri: str) -> str:
        """Return the URL of the provider's sign-in page. Raises IdentityProviderUnavailable."""

    async def identify(self, exchange: CodeExchange) -> Identity:
        """Exchange the code. Raises SocialLoginFailed, IdentityProviderUnavailable."""


def read_lifetime(token: dict[str, Any]) -> int | None:
    """Return `expires_in` of a token response in seconds; None if it is missing or not plausible."""
    seconds = token.get("expires_in")
    return seconds if type(seconds) is int and 0 < seconds < 10**9 else None
