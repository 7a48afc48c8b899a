"""`serve`: run the service with one or more workers."""

import gc
import signal
import socket
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import exit_with_errors, load_settings
from app.core.observability.logging import configure_logging, get_logger

if TYPE_CHECKING:
    import uvicorn

logger = get_logger(__name__)


def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes; start with one per core.")] = 1,
    drain_seconds: Annotated[int, typer.Option(min=1, help="The maximum time from SIGTERM to the exit.")] = 30,
    keep_alive_seconds: Annotated[
        int, typer.Option(min=1, help="The timeout of idle connections; must exceed the load balancer's.")
    ] = 75,
    fd: Annotated[int | None, typer.Option(help="A listening socket.", hidden=True)] = None,
    supervisor_fd: Annotated[int | None, typer.Option(help="The socket of the supervisor.", hidden=True)] = None,
) -> None:
    """Run the service in production. All addresses come from the environment.

    SIGTERM drains: requests in progress are finished, then the exit code is 0. With several workers, a worker that dies
    is replaced, and SIGHUP replaces all workers one by one without a failed request.
    """
    # SIGTERM before the start ends the process at once.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    settings = load_settings()
    exit_with_errors(settings.validation_errors())
    configure_logging(settings.log_level, "json" if settings.app_env == "production" else "console")
    if settings.metrics_token is None and supervisor_fd is None:
        logger.warning("METRICS_TOKEN is not set: every client can read /metrics")
    config = _uvicorn_config(host, port, keep_alive_seconds)
    if workers > 1:
        from app.serving.supervisor import Supervisor  # noqa: PLC0415 - each way imports what it needs only

        options = ["--drain-seconds", str(drain_seconds), "--keep-alive-seconds", str(keep_alive_seconds)]
        command = [sys.executable, "-m", "app", "serve", *options]
        bound = _taken_over(fd) or config.bind_socket()
        raise typer.Exit(Supervisor(command, bound, workers, drain_seconds).run())
    from app.serving.server import DrainingServer  # noqa: PLC0415 - as above

    # Until it has started: the application is imported only now.
    gc.disable()
    server = DrainingServer(config, drain_seconds, _taken_over(supervisor_fd))
    # Not uvicorn's own `fd`, which treats the socket as a UNIX one and leaves Nagle's algorithm on.
    listener = _taken_over(fd)
    server.run(sockets=[listener] if listener else None)
    raise typer.Exit(0 if server.started else 1)


def _uvicorn_config(host: str, port: int, keep_alive_seconds: int) -> "uvicorn.Config":
    import uvicorn  # noqa: PLC0415 - the other commands start sooner without it

    from app.serving.protocol import BoundedProtocol  # noqa: PLC0415 - as above

    return uvicorn.Config(
        "app.main:create_app",
        factory=True,
        host=host,
        port=port,
        loop="uvloop",
        http=BoundedProtocol,
        server_header=False,
        proxy_headers=False,  # uvicorn would trust every client on this host; see TRUSTED_PROXIES
        access_log=False,
        log_config=None,
        timeout_keep_alive=keep_alive_seconds,
    )


def _taken_over(fd: int | None) -> socket.socket | None:
    if fd is None:
        return None
    taken = socket.socket(fileno=fd)
    taken.setblocking(False)
    return taken
