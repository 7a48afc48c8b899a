"""The identity providers of `SOCIAL_PROVIDERS`: their settings, and defaults for the usual ones."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, field_validator

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

# Defaults by the name of the provider.
PROVIDER_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "google": {"issuer": "https://accounts.google.com"},
    # One directory. In the shared one, a user can claim any address.
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
    """One provider. `oidc` uses OpenID Connect Discovery; `github` is OAuth 2 with an API."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["oidc", "github"] = "oidc"
    issuer: str
    client_id: str
    client_secret: SecretStr
    scope: str = "openid email"
    # Trust addresses without `email_verified`. Safe only for a directory of one's own.
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
    """Return whether secrets may be sent there: https, or this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def apply_defaults(given: object) -> object:
    """Add the defaults of known providers. Raises ValueError for a name that cannot be part of a path."""
    if not isinstance(given, dict):
        return given
    return {_checked_name(name): _with_defaults(name, one) for name, one in given.items()}


IdentityProviders = Annotated[dict[str, IdentityProvider], BeforeValidator(apply_defaults)]


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("a provider's name must have 1-32 characters: a-z, 0-9, _ and -")
    return name


def _with_defaults(name: str, given: object) -> object:
    if not isinstance(given, dict):
        return given
    known = {**PROVIDER_DEFAULTS.get(name, {}), **given}
    tenant = known.pop("tenant", None)
    if tenant and isinstance(known.get("issuer"), str):
        known["issuer"] = known["issuer"].replace("{tenant}", str(tenant))
    return known
