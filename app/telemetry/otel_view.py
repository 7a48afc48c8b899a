"""The view of the request log in the names of OpenTelemetry's semantic conventions for HTTP servers.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/. The members are nested, so that a query
has the names as they are: `{"http.response.status_code": 500}`. Values without a name there are in `imts`.
"""

from collections.abc import Mapping
from typing import Any

from app.telemetry.request_record import OTHER_METHOD, UNMATCHED

VIEW = "request_logs_otel"
# {attribute: field of request_logs}.
_RENAMED = {
    "trace_id": "trace_id",
    "url.path": "path",
    "url.query": "query",
    "http.response.status_code": "status",
    "http.request.body.size": "bytes_in",
    "http.response.body.size": "bytes_out",
    "client.address": "client",
    "user_agent.original": "user_agent",
    "user.id": "user_id",
    "service.instance.id": "worker",
    "imts.request_id": "request_id",
    "imts.credential_id": "credential_id",
    "imts.first_byte_ms": "first_byte_ms",
    "imts.statements": "statements",
    "imts.statement_ms": "statement_ms",
    "imts.cache_hits": "cache_hits",
    "imts.cache_misses": "cache_misses",
    "imts.search": "search",
    "imts.error_slug": "error_slug",
    "imts.client_disconnected": "client_disconnected",
    "imts.aborted": "aborted",
}
# An error of a server is a 5xx or an incomplete response. A client error is none.
_IS_ERROR = {"$or": [{"$gte": ["$status", 500]}, "$aborted"]}
_COMPUTED: Mapping[str, Any] = {
    "http.request.method": {"$cond": [{"$eq": ["$meta.method", OTHER_METHOD]}, "_OTHER", "$meta.method"]},
    "http.route": {"$cond": [{"$eq": ["$meta.route", UNMATCHED]}, "$$REMOVE", "$meta.route"]},
    "http.server.request.duration": {"$divide": ["$duration_ms", 1000]},
    "error.type": {"$cond": [_IS_ERROR, {"$ifNull": ["$error_slug", {"$toString": "$status"}]}, "$$REMOVE"]},
}
ATTRIBUTES = (*_RENAMED, *_COMPUTED)


def view_pipeline() -> list[dict[str, Any]]:
    """Return the aggregation pipeline of the view. Conditions on `time` reach the collection."""
    projection: dict[str, Any] = {"time": 1}
    for attribute, expression in {**{name: f"${field}" for name, field in _RENAMED.items()}, **_COMPUTED}.items():
        *parents, last = attribute.split(".")
        target = projection
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = expression
    return [{"$project": projection}]
