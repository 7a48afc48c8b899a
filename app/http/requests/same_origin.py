"""Refuses forms that another site sends."""

from urllib.parse import urlsplit

from fastapi import Request

from app.core.errors import Forbidden
from app.http.container import container_of

Origin = tuple[str, str, int]
LOOPBACK_HOSTS = {"localhost", "127.0.0.1", "::1"}
_DEFAULT_PORTS = {"http": 80, "https": 443}


def require_same_origin(request: Request) -> None:
    """Refuse a form of another site. Raises Forbidden.

    SameSite keeps the cookie out of cross-site requests. This check keeps them from setting one (login CSRF). The
    origin is compared with PUBLIC_URL, including the scheme, because the client chooses the `Host` header.
    """
    given = request.headers.getlist("origin")
    accepted = {_origin(container_of(request).settings.public_url), *_own_loopback_origin(request)}
    if len(given) != 1 or _origin(given[0]) not in accepted - {None}:
        raise Forbidden("The form was sent from another site, or PUBLIC_URL is not the address of this site")


def _own_loopback_origin(request: Request) -> list[Origin | None]:
    """Return the request's own origin if PUBLIC_URL is a loopback address, as in development.

    The service may then have another port or another name of the loopback interface.
    """
    public, own = _origin(container_of(request).settings.public_url), _origin(str(request.url))
    is_local = public is not None and own is not None and {public[1], own[1]} <= LOOPBACK_HOSTS
    return [own] if is_local else []


def _origin(url: str) -> Origin | None:
    """Return scheme, host and port of a URL (RFC 6454); None for an invalid one."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.username is not None:
        return None
    return parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme]
