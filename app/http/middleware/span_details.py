"""The middleware that adds the request id, and the route of a cached response, to the span that FastAPI makes."""

from opentelemetry.trace import get_current_span
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.observability.request_counters import current_counters


class SpanDetailsMiddleware:
    """Is installed only if traces are exported."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_details(message: Message) -> None:
            if message["type"] == "http.response.start":
                _describe(scope)
            await send(message)

        await self.app(scope, receive, send_with_details)


def _describe(scope: Scope) -> None:
    span, state = get_current_span(), scope["state"]
    span.set_attribute("imts.request_id", state["request_id"])
    if counters := current_counters.get():
        span.set_attribute("imts.statements", counters.statements)
    template = state.get("route_template")
    telemetry = scope.get("fastapi.telemetry")
    if template and telemetry is not None:
        # A cached response is served before the router, which would set these.
        telemetry.route = template
        span.set_attribute("http.route", template)
        span.update_name(f"{scope['method']} {template}")
