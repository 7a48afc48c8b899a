"""Cookies that credentials depend on."""

from fastapi import Request


def single_cookie(request: Request, name: str) -> str | None:
    """Return the value of a cookie; None if there is none, or if there are several of this name.

    A browser sends several if another host of the same domain, or another path, has set one, and their order says
    nothing (RFC 6265, 4.2.2): taking one of them would let that host choose whose session it is.
    """
    pairs = "; ".join(request.headers.getlist("cookie")).split(";")
    is_single = [pair.partition("=")[0].strip() for pair in pairs].count(name) == 1
    return request.cookies.get(name) if is_single else None
