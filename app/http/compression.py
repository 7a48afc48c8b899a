"""Compression of text: JSON, HTML, scripts, metrics. Images are compressed as they are."""

from starlette.datastructures import MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Below this, the headers cost more than the body.
MIN_BYTES = 1024
# zlib compresses JSON at about 100 MB/s at this level: 0.3 ms. Larger bodies are compressed in a thread.
THREAD_BYTES = 32 * 1024
LEVEL = 4
_UNCOMPRESSED = ("image/*", "audio/*", "video/*", "application/octet-stream", "text/event-stream")
_SUFFIX = b'-gzip"'
# Not If-Range: a range of the compressed representation would be completed with bytes of the other one.
_CONDITIONS = (b"if-match", b"if-none-match")


class CompressionMiddleware:
    """Compresses with gzip on request. The compressed representation has an entity tag of its own, ending in `-gzip`.

    Conditional requests may name either tag: the suffix is removed before the application compares them.
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
        if is_accepted:
            headers.append((b"accept-encoding", b"gzip"))

        async def send_tagged(message: Message) -> None:
            if message["type"] == "http.response.start":
                _tag(message, tags.decode("latin-1"))
            await send(message)

        # Not in a copy of the scope: the router notes the route in it, and the record of the request reads it there.
        scope["headers"] = headers
        await self._compressed(scope, receive, send_tagged)


def accepts_gzip(header: str) -> bool:
    """Return whether an `Accept-Encoding` header names gzip with a weight above zero (RFC 9110, 12.5.3)."""
    for part in header.lower().split(","):
        coding, _, weight = part.partition(";")
        if coding.strip() in ("gzip", "x-gzip"):
            digits = weight.strip().removeprefix("q=").strip()
            return not digits or bool(digits.strip("0."))
    return False


def _tag(message: Message, sent_tags: str) -> None:
    """Give a compressed response its own entity tag, and a 304 the one that the client has sent."""
    headers = MutableHeaders(raw=message.setdefault("headers", []))
    etag = headers.get("etag", "")
    own = f"{etag[:-1]}{_SUFFIX.decode()}"
    if etag and (headers.get("content-encoding") == "gzip" or (message["status"] == 304 and own in sent_tags)):
        headers["etag"] = own
        headers.add_vary_header("Accept-Encoding")
