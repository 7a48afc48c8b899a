"""Compresses text: JSON, HTML, scripts, metrics. Image formats are compressed already."""

from starlette.datastructures import MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Below this, the headers cost more than the body.
MIN_BYTES = 1024
# zlib compresses JSON at about 100 MB/s at this level: 0.3 ms. Larger bodies are compressed in a thread.
THREAD_BYTES = 32 * 1024
LEVEL = 4
_UNCOMPRESSED = ("image/*", "audio/*", "video/*", "application/octet-stream", "text/event-stream")
_UNCOMPRESSED_PREFIXES = tuple(media_type.rstrip("*").encode() for media_type in _UNCOMPRESSED)
_SUFFIX = b'-gzip"'
# Not If-Range: a range of the compressed representation would be completed with bytes of the other one.
_CONDITIONS = (b"if-match", b"if-none-match")


class CompressionMiddleware:
    """Compresses with gzip on request. The compressed representation has its own entity tag, which ends in `-gzip`.

    Conditional requests may name either tag: the suffix is removed before the application compares them. A request that
    does not accept gzip bypasses Starlette's middleware, which would double the cost of a cached response.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._compressed = GZipMiddleware(app, MIN_BYTES, LEVEL, THREAD_BYTES, exclude_content_types=_UNCOMPRESSED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._plain(scope, receive, send)
            return
        headers, tags, is_accepted = [], b"", False
        for name, value in scope["headers"]:
            if name == b"accept-encoding":
                is_accepted = is_accepted or accepts_gzip(value.decode("latin-1"))
                continue
            if name in _CONDITIONS and _SUFFIX in value:
                tags += value
                headers.append((name, value.replace(_SUFFIX, b'"')))
            else:
                headers.append((name, value))
        # A copy of the scope would lose the route, which the router stores in it for the request record.
        scope["headers"] = headers
        if not is_accepted and not tags:
            await self._plain(scope, receive, _with_vary(send))
            return
        if is_accepted:
            headers.append((b"accept-encoding", b"gzip"))

        async def send_tagged(message: Message) -> None:
            if message["type"] == "http.response.start":
                _tag(message, tags.decode("latin-1"))
            await send(message)

        await self._compressed(scope, receive, send_tagged)


def _with_vary(send: Send) -> Send:
    """Name `Accept-Encoding` in the `Vary` of each response that would be compressed for another request."""

    async def send_varying(message: Message) -> None:
        if message["type"] == "http.response.start" and _is_compressible(message):
            _add_vary(message.setdefault("headers", []))
        await send(message)

    return send_varying


def _add_vary(headers: list[tuple[bytes, bytes]]) -> None:
    """Add `Accept-Encoding` to `Vary`. `MutableHeaders` needs three times as long, in every response."""
    for position, (name, value) in enumerate(headers):
        if name == b"vary":
            if b"accept-encoding" not in value.lower() and value != b"*":
                headers[position] = (name, value + b", Accept-Encoding")
            return
    headers.append((b"vary", b"Accept-Encoding"))


def _is_compressible(message: Message) -> bool:
    if message["status"] == 206:
        return False
    length, is_text = b"", True
    for name, value in message.get("headers", ()):
        if name == b"content-length":
            length = value
        elif name == b"content-encoding":
            return False
        elif name == b"content-type":
            is_text = not value.lower().startswith(_UNCOMPRESSED_PREFIXES)
    return is_text and (not length or int(length) >= MIN_BYTES)


def accepts_gzip(header: str) -> bool:
    """Return whether an `Accept-Encoding` header names gzip with a weight above zero (RFC 9110, 12.5.3)."""
    for part in header.lower().split(","):
        coding, _, weight = part.partition(";")
        if coding.strip() in ("gzip", "x-gzip"):
            digits = weight.strip().removeprefix("q=").strip()
            return not digits or bool(digits.strip("0."))
    return False


def _tag(message: Message, sent_tags: str) -> None:
    """Set the entity tag of a compressed response. A 304 gets the tag that the client sent."""
    headers = MutableHeaders(raw=message.setdefault("headers", []))
    etag = headers.get("etag", "")
    own = f"{etag[:-1]}{_SUFFIX.decode()}"
    if etag and (headers.get("content-encoding") == "gzip" or (message["status"] == 304 and own in sent_tags)):
        headers["etag"] = own
        headers.add_vary_header("Accept-Encoding")
