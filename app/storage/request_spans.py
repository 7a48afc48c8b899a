"""Spans of the requests to the object store, each of which carries its `traceparent`."""

from types import SimpleNamespace

import aiohttp
from opentelemetry.trace import Span

from app.core.observability.client_spans import ClientSpans, end, inject_traceparent

_ERROR_STATUS = 400


def make_trace_config(spans: ClientSpans) -> aiohttp.TraceConfig:
    """Return the hooks of a session. The header is not signed, so that no signature covers it."""

    async def start(
        _session: aiohttp.ClientSession, context: SimpleNamespace, request: aiohttp.TraceRequestStartParams
    ) -> None:
        # Without the query, which has signatures in URLs for clients.
        attributes: dict[str, str | int] = {
            "http.request.method": request.method,
            "url.full": str(request.url.with_query(None)),
            "server.address": request.url.host or "",
            "server.port": request.url.port or 0,
        }
        context.span = spans.start(request.method, attributes)
        if context.span is not None:
            inject_traceparent(context.span, request.headers)

    async def finish(
        _session: aiohttp.ClientSession, context: SimpleNamespace, request: aiohttp.TraceRequestEndParams
    ) -> None:
        span: Span | None = context.span
        if span is not None:
            status = request.response.status
            span.set_attribute("http.response.status_code", status)
            end(span, str(status) if status >= _ERROR_STATUS else None)

    async def fail(
        _session: aiohttp.ClientSession, context: SimpleNamespace, request: aiohttp.TraceRequestExceptionParams
    ) -> None:
        if context.span is not None:
            end(context.span, type(request.exception).__qualname__)

    config = aiohttp.TraceConfig()
    config.on_request_start.append(start)
    config.on_request_end.append(finish)
    config.on_request_exception.append(fail)
    return config
