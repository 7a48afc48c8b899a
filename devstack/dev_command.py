"""The `dev` command: runs the service with a local server for each backend without an address.

The main thread starts the servers, migrates and runs the service as a child process. It supervises all processes until
a signal or the end of the service. It owns the listening socket, so that connections wait while the
service restarts after a change of code.
"""

import errno
import http.client
import importlib.util
import os
import secrets
import shlex
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.environment import ADDRESS_SETTINGS, BACKENDS_ENV, configured_backends, given_settings

if TYPE_CHECKING:
    from devstack import Stack
    from devstack.process import ServerProcess

# Files of pages that the service reads when it starts.
_PAGE_FILES = (".css", ".js", ".svg")
_APP_DIR = Path(__file__).resolve().parents[1] / "app"
_TICK_SECONDS = 0.1
_RETRY_SECONDS = 3.0
_DRAIN_SECONDS = 10
_STOP_SECONDS = _DRAIN_SECONDS + 5
_BACKLOG = 2048
_SERVE = ("-m", "app", "serve", "--drain-seconds", str(_DRAIN_SECONDS))


def dev(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 selects a free port.")] = 8000,
    data_dir: Annotated[Path, typer.Option(help="The directory for the data of the local servers.")] = Path(".imts"),
    reload: Annotated[bool, typer.Option(help="Restart the service when its code changes.")] = True,
    postgres_port: Annotated[int | None, typer.Option(min=1, max=65535, help="The port of PostgreSQL.")] = None,
    mongo_port: Annotated[int | None, typer.Option(min=1, max=65535, help="The port of MongoDB.")] = None,
    storage_port: Annotated[int | None, typer.Option(min=1, max=65535, help="The port of the object store.")] = None,
    redis_port: Annotated[int | None, typer.Option(min=1, max=65535, help="The port of Redis.")] = None,
) -> None:
    """Run the service for development. Backends without an address are started as local servers."""
    requested = {"postgres": postgres_port, "mongo": mongo_port, "object_store": storage_port, "redis": redis_port}
    ports = {name: number for name, number in requested.items() if number is not None}
    signals = _Signals()
    server = _DevServer(host, port, data_dir.resolve(), ports, signals)
    try:
        exit_code = server.run(reload=reload)
    except KeyboardInterrupt:
        exit_code = 0
    except CommandError as error:
        typer.echo(str(error), err=True)
        exit_code = 1
    finally:
        signals.stopping = True
        server.stop()
    raise typer.Exit(exit_code)


class CommandError(Exception):
    """An error that ends the command. The message is one line."""


class _Signals:
    """The first signal interrupts the main thread. A second one ends the drain of the service."""

    def __init__(self) -> None:
        self.stopping = False
        self.hurry = False
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, self._handle)

    def _handle(self, _signum: int, _frame: FrameType | None) -> None:
        if self.stopping:
            self.hurry = True
            return
        self.stopping = True
        raise KeyboardInterrupt


@dataclass
class _DevServer:
    host: str
    port: int
    data_dir: Path
    ports: Mapping[str, int]
    signals: _Signals
    _stack: "Stack | None" = None
    _listener: socket.socket | None = None
    _service: "ServerProcess | None" = None
    _reloaded: bool = False
    _ready: bool = False
    _migrated: bool = False
    _retry_at: dict[str, float] = field(default_factory=dict)

    def run(self, *, reload: bool) -> int:
        """Run until the service ends, and return the exit code. Raises KeyboardInterrupt on a signal."""
        self._stack = self._make_stack()
        self._listener = _listen(self.host, self.port)
        self._start_everything(self._stack)
        for changed in _code_changes(reload=reload):
            if changed:
                self._reload_service()
            self._look_after_backends()
            if self._service_has_ended():
                return 1
        return 0

    def stop(self) -> None:
        """Stop the service, which drains, then the backends."""
        if self._listener is not None:
            self._listener.close()
        self._stop_service()
        if self._stack is not None:
            (self.data_dir / BACKENDS_ENV).unlink(missing_ok=True)
            self._stack.stop()

    def _make_stack(self) -> "Stack":
        try:
            from devstack import DevStackError, Stack  # noqa: PLC0415 - a production installation lacks its packages
        except ImportError as error:
            raise CommandError(
                f"dev needs the development packages ({error.name} is missing). In production, use `serve`."
            ) from error
        configured = configured_backends()
        wanted = [name for name in ADDRESS_SETTINGS if name not in configured]
        stack = Stack(self.data_dir, wanted, {name: self.ports[name] for name in wanted if name in self.ports}, _say)
        try:
            stack.open()
        except DevStackError as error:
            raise CommandError(str(error)) from error
        return stack

    def _start_everything(self, stack: "Stack") -> None:
        """Start the service as soon as its tables exist. The slower servers start while it is imported."""
        from devstack import DevStackError  # noqa: PLC0415 - as above

        for name, address in configured_backends().items():
            _say(f"{name}: {_without_credentials(address)}, from the environment")
        given = given_settings()
        if "JWT_SECRET" not in given:
            os.environ["JWT_SECRET"] = self._jwt_secret()
        if "TELEMETRY_SPILL_DIR" not in given:
            os.environ["TELEMETRY_SPILL_DIR"] = str(self.data_dir / "telemetry")
        own_bucket = "STORAGE_BUCKET" in given
        try:
            stack.launch()
            addresses = stack.wait("postgres")
            self._publish(addresses, own_bucket=own_bucket)
            self._migrate()
            self._start_service()
            if stack.wait() != addresses:
                self._publish(stack.addresses(), own_bucket=own_bucket)
                self._restart_service()
        except DevStackError as error:
            raise CommandError(str(error)) from error

    def _publish(self, addresses: Mapping[str, str], *, own_bucket: bool) -> None:
        """Pass the addresses to the service and, in a file, to the other commands. The user may have set the bucket."""
        from devstack.data_dir import write_private  # noqa: PLC0415 - as above

        published = {name: value for name, value in addresses.items() if not (own_bucket and name == "STORAGE_BUCKET")}
        lines = (f"{name}={shlex.quote(value)}\n" for name, value in published.items())
        write_private(self.data_dir / BACKENDS_ENV, "".join(lines))
        os.environ.update(published, APP_ENV="development")

    def _jwt_secret(self) -> str:
        """Return the stored secret, so that tokens stay valid after a restart."""
        from devstack.data_dir import write_private  # noqa: PLC0415 - as above

        path = self.data_dir / "jwt.secret"
        if not path.exists():
            write_private(path, secrets.token_hex(32))
        return path.read_text()

    def _migrate(self) -> None:
        """Migrate. Report an unavailable database once; the main loop tries again."""
        from app.db.schema.schema_upgrade import upgrade  # noqa: PLC0415 - slow, and the port is checked before

        try:
            upgrade()
        except OSError as error:
            if "migrate" not in self._retry_at:
                _say(f"postgres: the database does not respond ({error}), the migration is repeated until it does")
            self._retry_at["migrate"] = time.monotonic() + _RETRY_SECONDS
            return
        self._migrated = True
        if "migrate" in self._retry_at:
            _say("postgres: responds again, migrated")

    def _look_after_backends(self) -> None:
        if not self._migrated and self._due("migrate"):
            self._migrate()
        if self._due("revive"):
            self._revive()

    def _revive(self) -> None:
        from devstack import DevStackError  # noqa: PLC0415 - as above

        try:
            if self._stack:
                self._stack.revive()
        except (DevStackError, OSError) as error:
            _say(str(error))
            self._retry_at["revive"] = time.monotonic() + _RETRY_SECONDS

    def _due(self, name: str) -> bool:
        return time.monotonic() >= self._retry_at.get(name, 0)

    def _start_service(self) -> None:
        from devstack.process import Command, ServerProcess, uninterrupted  # noqa: PLC0415 - as above
        from devstack.stack import SERVICE  # noqa: PLC0415

        assert self._listener is not None  # noqa: S101 - for the type checker: run() has opened both
        assert self._stack is not None  # noqa: S101
        descriptor = self._listener.fileno()
        argv = [sys.executable, *_SERVE, "--fd", str(descriptor)]
        command = Command(argv, Path.cwd(), dict(os.environ), pass_fds=(descriptor,))
        self._ready = False
        with uninterrupted():
            self._service = ServerProcess(command, self._stack.pid_file(SERVICE))

    def _reload_service(self) -> None:
        _say("service: restarting after a change of code")
        self._reloaded = True
        self._restart_service()

    def _restart_service(self) -> None:
        self._stop_service()
        self._start_service()

    def _stop_service(self) -> None:
        service = self._service
        if service is None:
            return
        service.request_stop()
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline and not self.signals.hurry:
            if service.wait(_TICK_SECONDS):
                break
        service.finish(0)
        self._service = None

    def _service_has_ended(self) -> bool:
        """Return whether the service has ended. After a change of code it may fail; the next change may repair it."""
        if self._service is None:
            return False
        exit_code = self._service.exit_code
        if exit_code is None:
            self._announce_when_ready()
            return False
        self._service.finish()
        self._service = None
        if self._reloaded and not self._ready:
            _say(f"service: failed to start ({exit_code}), waiting for the next change of code")
            return False
        _say(f"service: ended unexpectedly ({exit_code}), stopping everything")
        return True

    def _announce_when_ready(self) -> None:
        assert self._listener is not None  # noqa: S101 - for the type checker: run() has opened it
        address = _connectable(self._listener)
        if self._ready or not _responds(address):
            return
        self._ready = True
        if self._reloaded:
            _say("service: ready again")
        else:
            _say(f"API:  http://{address}\ndocs: http://{address}/docs")


def _say(line: str) -> None:
    typer.echo(line)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandError(
                f"port {port} on {host} is in use; stop the program that uses it, or choose another --port"
            ) from error
        raise CommandError(f"cannot listen on {host}, port {port}: {error.strerror}") from error


def _connectable(listener: socket.socket) -> str:
    """Return host and port of the socket for a URL on this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _responds(address: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=1)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _code_changes(*, reload: bool) -> Iterator[bool]:
    """Yield at each tick whether the code of the service has changed."""
    if reload and importlib.util.find_spec("watchfiles") is None:
        _say("service: no reload on changes of code, watchfiles is not installed")
    elif reload:
        from watchfiles import PythonFilter, watch  # noqa: PLC0415 - a development package

        timeout = int(_TICK_SECONDS * 1000)
        code = PythonFilter(extra_extensions=_PAGE_FILES)
        changes = watch(_APP_DIR, watch_filter=code, rust_timeout=timeout, yield_on_timeout=True, debounce=400)
        yield from map(bool, changes)
    while True:
        time.sleep(_TICK_SECONDS)
        yield False


def _without_credentials(address: str) -> str:
    scheme, separator, rest = address.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
