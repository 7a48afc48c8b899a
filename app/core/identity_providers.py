"""The identity providers of `SOCIAL_PROVIDERS`: what each needs to be told, and what is known of the usual ones."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, field_validator

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

# What a provider of this name needs no telling of.
READY: Mapping[str, Mapping[str, Any]] = {
    "google": {"issuer": "https://accounts.google.com"},
    # One directory: in the shared one anybody may give themselves anybody's address.
    "microsoft": {"issuer": "https://login.microsoftonline.com/{tenant}/v2.0"},
    "gitlab": {"issuer": "https://gitlab.com"},
    "github": {
        "kind": "github",
        "issuer": "https://github.com",
        "scope": "read:user user:email",
        "api_url": "https://api.github.com",
    },
}


class IdentityProvider(BaseModel):
    """One provider. `oidc` is found by its issuer (OpenID Connect Discovery); `github` is OAuth 2 with an API."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["oidc", "github"] = "oidc"
    issuer: str
    client_id: str
    client_secret: SecretStr
    scope: str = "openid email"
    # The addresses are proven though the provider does not say `email_verified`: true of a directory of one's own only.
    trust_email: bool = False
    api_url: str = ""

    @field_validator("issuer", "api_url")
    @classmethod
    def _is_safe(cls, value: str) -> str:
        if value and not is_safe_url(value):
            raise ValueError("must be an https address")
        if "{" in value:
            raise ValueError("needs the `tenant` of the provider")
        return value.rstrip("/")


def is_safe_url(url: str) -> bool:
    """Tell whether secrets may go there: https, or this very machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def complete(given: object) -> object:
    """Fill in what is known of the usual providers. Raises ValueError for a name that no path can have."""
    if not isinstance(given, dict):
        return given
    return {_named(name): _completed(name, one) for name, one in given.items()}


IdentityProviders = Annotated[dict[str, IdentityProvider], BeforeValidator(complete)]


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("a provider's name has 1-32 of a-z, 0-9, _ and -")
    return name


def _completed(name: str, given: object) -> object:
    if not isinstance(given, dict):
        return given
    known = {**READY.get(name, {}), **given}
    tenant = known.pop("tenant", None)
    if tenant and isinstance(known.get("issuer"), str):
        known["issuer"] = known["issuer"].replace("{tenant}", str(tenant))
    return known
