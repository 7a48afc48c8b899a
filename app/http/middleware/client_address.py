"""The client's address behind trusted proxies."""

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.core.callers import MAX_ADDRESS_LENGTH, UNKNOWN, rate_limit_network

# The fields that uvicorn's middleware reads.
_FORWARDED = frozenset({b"x-forwarded-for", b"x-forwarded-proto"})


class ClientAddressMiddleware:
    """Takes the client's address from `X-Forwarded-For` if a trusted proxy sent the request.

    uvicorn's middleware accepts any text as an address. This one keeps the proxy's address if the value is invalid.
    Otherwise, the text would be stored with the session, and all clients with such a value would share one rate limit.
    """

    def __init__(self, app: ASGIApp, trusted_proxies: list[str]) -> None:
        self.app = app
        self._forwarded = ProxyHeadersMiddleware(self._check, trusted_proxies)  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if all(name not in _FORWARDED for name, _ in scope["headers"]):
            await self.app(scope, receive, send)
            return
        scope.setdefault("state", {})["peer"] = scope["client"]
        await self._forwarded(scope, receive, send)  # type: ignore[arg-type]

    async def _check(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = scope["state"].pop("peer")
        if scope["client"] is not peer and not _is_address(scope["client"][0]):
            scope["client"] = peer
        await self.app(scope, receive, send)


def _is_address(text: str) -> bool:
    # A zone is any text, and means nothing on another host (RFC 4007, 6).
    return len(text) <= MAX_ADDRESS_LENGTH and "%" not in text and rate_limit_network(text) != UNKNOWN
