import signal
import sys
from typing import Annotated

import typer
import uvicorn

from app.cli.options import load_settings

DRAIN_SECONDS = 30


def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes; one a core is a good start.")] = 1,
) -> None:
    """Run the service in production: every address from the environment, nothing embedded. SIGTERM drains."""
    if problems := load_settings().problems():
        for problem in problems:
            typer.echo(f"Not started: {problem}", err=True)
        raise typer.Exit(2)
    # Once drained, uvicorn raises the signal again: a service that was told to stop and did has succeeded.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        loop="uvloop",
        http="httptools",
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
