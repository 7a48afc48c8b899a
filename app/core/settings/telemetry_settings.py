"""Settings of the request log."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt, SecretStr

from app.core.settings.setting_types import MIB, DaysByStatus, renamed


class TelemetrySettings(BaseModel):
    """The address of MongoDB, and the queue, retention and contents of records."""

    mongo_url: SecretStr = SecretStr("")
    telemetry_queue_size: PositiveInt = 10_000
    telemetry_flush_seconds: PositiveFloat = 1.0
    telemetry_retention_days: PositiveInt = 30
    telemetry_retention_days_by_status: DaysByStatus = {}
    telemetry_metrics_retention_days: PositiveInt = 400
    telemetry_spill_dir: Path = Path(".imts/telemetry")
    telemetry_spill_max_bytes: PositiveInt = 256 * MIB
    telemetry_personal_data: Literal["keep", "hash", "drop"] = "keep"
    # The base URL of an OTLP/HTTP collector, and its headers in the form `name=value,name=value`.
    otel_exporter_otlp_endpoint: str = Field(default="", pattern=r"^(https?://[^\s/?#]+[^\s?#]*)?$")
    otel_exporter_otlp_headers: SecretStr = SecretStr("")
    otel_service_name: str = Field(default="imts", min_length=1)
    telemetry_logged_query_params: Annotated[
        str, Field(validation_alias=renamed("telemetry_query_values", "telemetry_logged_query_params"))
    ] = ""  # names of query parameters, comma-separated
