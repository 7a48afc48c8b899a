"""Export of traces and metrics by OTLP/HTTP. It is imported only if OTEL_EXPORTER_OTLP_ENDPOINT is set.

FastAPI makes the spans and the metrics of requests (`http.server.request.duration`, with exemplars), and the SDK sends
them in threads of its own. The other metrics are those of `/metrics`, from the last snapshot of this worker.
"""

import asyncio
import contextlib
import os
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.util.re import parse_env_headers

from app import VERSION
from app.core.observability.client_spans import ClientSpans
from app.core.settings import TelemetrySettings
from app.telemetry.metrics.prometheus_exposition import Registry
from app.telemetry.otlp.command_spans import CommandSpans
from app.telemetry.redaction import choose_recorded_parameters, redact_query

_SCOPE = "imts"
# The rest of the spans and metrics are lost if the collector does not accept them in this time.
CLOSE_SECONDS = 3.0
_Read = Callable[[], Mapping[str, float]]


class OtlpExport:
    """The providers of one application. Nothing is registered globally."""

    def __init__(self, settings: TelemetrySettings) -> None:
        attributes = {
            "service.name": settings.otel_service_name,
            "service.version": VERSION,
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
        }
        resource = Resource.create(attributes)
        base = settings.otel_exporter_otlp_endpoint.rstrip("/")
        headers = parse_env_headers(settings.otel_exporter_otlp_headers.get_secret_value(), liberal=True)
        traces = OTLPSpanExporter(endpoint=f"{base}/v1/traces", headers=headers)
        metrics = OTLPMetricExporter(endpoint=f"{base}/v1/metrics", headers=headers)
        kept = choose_recorded_parameters(settings.telemetry_logged_query_params, settings.telemetry_personal_data)
        self.tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        self.tracers.add_span_processor(_QueryRedaction(kept))
        self.tracers.add_span_processor(BatchSpanProcessor(traces))
        reader = PeriodicExportingMetricReader(metrics)
        self.meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        self.client_spans = ClientSpans(self.tracers.get_tracer(_SCOPE, VERSION))
        self.command_spans = CommandSpans(self.client_spans)

    def observe(self, registry: Registry) -> None:
        """Export the metrics of this worker, too. A family with a label is one instrument.

        An instrument with a callback cannot be a histogram: it becomes the counters of its count and its sum.
        """
        meter = self.meters.get_meter(_SCOPE, VERSION)
        for family, names in _by_family(registry.counter_names).items():
            read = _observe_values(names, lambda: registry.current.counters)
            meter.create_observable_counter(family.removesuffix("_total"), [read], description=registry.help(names[0]))
        for family, names in _by_family(registry.gauge_names).items():
            read = _observe_values(names, lambda: registry.current.gauges | registry.current.shared_gauges)
            meter.create_observable_gauge(family, [read], description=registry.help(names[0]))

        for family, names in _by_family(registry.histogram_names).items():
            for field in ("count", "seconds"):
                read = _observe_values(names, partial(_read_histograms, registry, field))
                name = f"{family}_{'sum' if field == 'seconds' else field}"
                meter.create_observable_counter(name, [read], description=registry.help(names[0]))

    async def close(self) -> None:
        """Send what waits, within CLOSE_SECONDS."""
        loop, closed = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self.tracers.shutdown()
            self.meters.shutdown()
            # The loop may have ended meanwhile.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(closed.set)

        # A daemon, because the end of the process would wait for the thread of an executor.
        threading.Thread(target=shut_down, name="otlp-close", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await closed.wait()


class _QueryRedaction(SpanProcessor):
    """Redacts the query of a request as in the request log: it may have tokens."""

    def __init__(self, kept: frozenset[str]) -> None:
        self._kept = kept

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Replace the query, which FastAPI sets at the start."""
        del parent_context
        query = (span.attributes or {}).get("url.query")
        if isinstance(query, str):
            span.set_attribute("url.query", redact_query(query.encode(), self._kept))


def _by_family(names: Iterable[str]) -> dict[str, list[str]]:
    families: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        families[name.partition("{")[0]].append(name)
    return families


def _observe_values(names: list[str], read: _Read) -> Callable[[CallbackOptions], Iterable[Observation]]:
    """Return the callback of an instrument. The event loop replaces the snapshots and never changes them."""

    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        values = read()
        return [Observation(float(values[name]), _labels_of(name)) for name in names if name in values]

    return observe


def _read_histograms(registry: Registry, field: str) -> Mapping[str, float]:
    return {name: getattr(histogram, field) for name, histogram in registry.current.histograms.items()}


def _labels_of(name: str) -> dict[str, str]:
    key, _, value = name.partition("{")[2].rstrip("}").partition("=")
    return {key: value.strip('"')} if key else {}
