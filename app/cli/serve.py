import signal
import socket
import sys
from typing import Annotated, Any

import typer

from app.cli.options import load_settings


def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes; one a core is a good start.")] = 1,
    drain_seconds: Annotated[int, typer.Option(min=1, help="What a request in flight is given at SIGTERM.")] = 30,
    fd: Annotated[int | None, typer.Option(help="A listening socket to take over.", hidden=True)] = None,
) -> None:
    """Run the service in production: every address from the environment, nothing embedded. SIGTERM drains."""
    import uvicorn  # noqa: PLC0415 - the other commands start sooner without it

    if problems := load_settings().problems():
        for problem in problems:
            typer.echo(f"Not started: {problem}", err=True)
        raise typer.Exit(2)
    # Once drained, uvicorn raises the signal again: a service that was told to stop and did has succeeded.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    options: dict[str, Any] = {
        "factory": True,
        "loop": "uvloop",
        "http": "httptools",
        "server_header": False,
        "proxy_headers": False,  # uvicorn would believe every client on this host; see TRUSTED_PROXIES
        "access_log": False,
        "log_config": None,
        "timeout_graceful_shutdown": drain_seconds,
    }
    if fd is None:
        uvicorn.run("app.main:create_app", host=host, port=port, workers=workers, **options)
    else:
        # Not uvicorn's own `fd`: it takes the socket for one of the UNIX family and leaves Nagle's algorithm on.
        uvicorn.Server(uvicorn.Config("app.main:create_app", **options)).run(sockets=[socket.socket(fileno=fd)])
