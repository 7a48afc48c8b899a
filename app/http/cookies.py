"""Reads cookies that hold credentials."""

from urllib.parse import urlsplit

from fastapi import Request

from app.http.container import container_of


def single_cookie(request: Request, name: str) -> str | None:
    """Return the value of a cookie; None if the name is missing or repeated.

    A browser sends several if another host of the domain, or another path, has set one. Their order is undefined
    (RFC 6265, 4.2.2). Accepting one of them would let that host choose the session.
    """
    pairs = "; ".join(request.headers.getlist("cookie")).split(";")
    is_single = [pair.partition("=")[0].strip() for pair in pairs].count(name) == 1
    return request.cookies.get(name) if is_single else None


def is_https(request: Request) -> bool:
    """Return whether the service or its proxy uses TLS, so that a cookie is `Secure`."""
    return "https" in (request.url.scheme, urlsplit(container_of(request).settings.public_url).scheme)
