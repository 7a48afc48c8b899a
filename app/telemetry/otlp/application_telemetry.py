"""FastAPI's telemetry: the spans and the metrics of requests, if a collector is set."""

from typing import TYPE_CHECKING

from fastapi.telemetry import TelemetryConfig

from app.core.settings import TelemetrySettings

if TYPE_CHECKING:
    from app.telemetry.otlp.otlp_export import OtlpExport

# Probes and scrapes, whose spans and metrics are of no use.
UNTRACED = frozenset({"/healthz", "/readyz", "/metrics"})


def open_export(settings: TelemetrySettings) -> "OtlpExport | None":
    """Return the export of traces and metrics. Without a collector, it is not even imported."""
    if not settings.otel_exporter_otlp_endpoint:
        return None
    from app.telemetry.otlp.otlp_export import OtlpExport  # noqa: PLC0415

    return OtlpExport(settings)


def telemetry_config(export: "OtlpExport | None") -> TelemetryConfig:
    """Return the configuration of the application; without an export, it makes neither spans nor metrics."""
    if export is None:
        # Looking for an OpenTelemetry SDK would cost 10 µs a request.
        return {"tracing": False, "metrics": False, "logs": False}
    return {
        "tracing": True,
        "metrics": True,
        "logs": False,
        # A span for each dependency would be a dozen spans a request.
        "operation_spans": False,
        "auto_configure": False,
        "tracer_provider": export.tracers,
        "meter_provider": export.meters,
        "exclude": lambda scope: scope["path"] in UNTRACED,
    }
