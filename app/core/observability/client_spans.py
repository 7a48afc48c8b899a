"""Spans of the calls to backends, in the trace of the request that makes them.

Without OTEL_EXPORTER_OTLP_ENDPOINT there is no object of this class, and no code of this module runs in a request.
"""

import time
from collections.abc import Mapping, MutableMapping

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Attributes = Mapping[str, str | int]
# Without baggage, which a client could send and the backends do not need.
_PROPAGATOR = TraceContextTextMapPropagator()


class ClientSpans:
    """Makes the spans. Background work has none: its calls would be traces of their own."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def start(self, name: str, attributes: Attributes) -> Span | None:
        """Start a span in the current trace; None outside of a trace. `end` ends it."""
        if not get_current_span().get_span_context().is_valid:
            return None
        return self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)

    def add_finished(self, name: str, seconds: float, attributes: Attributes) -> None:
        """Add a span that ends now and began `seconds` ago."""
        if get_current_span().is_recording():
            start = time.time_ns() - int(seconds * 1e9)
            self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes, start_time=start).end()


def end(span: Span, error_type: str | None = None) -> None:
    """End a span, with an error if it has one."""
    if error_type is not None:
        span.set_attribute("error.type", error_type)
        span.set_status(Status(StatusCode.ERROR))
    span.end()


def inject_traceparent(span: Span, headers: MutableMapping[str, str]) -> None:
    """Add the header `traceparent` (W3C Trace Context), so that the backend continues the trace."""
    _PROPAGATOR.inject(headers, context=set_span_in_context(span))


def current_traceparent() -> str | None:
    """Return the `traceparent` of the current span; None outside of a trace."""
    headers: dict[str, str] = {}
    _PROPAGATOR.inject(headers)
    return headers.get("traceparent")
