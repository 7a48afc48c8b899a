"""The servers and the service that a benchmark measures, as child processes, and a client with little overhead."""

import asyncio
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import asyncpg
import psutil

from app.core.settings import Settings
from app.db.schema.schema_upgrade import upgrade
from devstack import Stack

OK = 200
_READY_SECONDS = 60
UNLIMITED = json.dumps(dict.fromkeys(("account", "address", "total"), "1000000/second"))


class Client:
    """One persistent connection. http.client takes a fifth of the time of httpx for a request.

    To a service that `servers` has set up, a client with an `address` appears to come from there.
    """

    def __init__(self, url: str, address: str | None = None) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        self._headers = {"X-Forwarded-For": address} if address else {}

    def get(self, path: str, params: Mapping[str, object]) -> tuple[int, bytes]:
        """Return the status and the body."""
        return self.send("GET", f"{path}?{urlencode(params)}")

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Return the status and the body; retry once if the connection was closed meanwhile."""
        try:
            return self._send(method, path, body, headers or {})
        except (http.client.HTTPException, ConnectionError):
            self._connection.close()
            return self._send(method, path, body, headers or {})

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        self._connection.request(method, path, body, {**self._headers, **headers})
        response = self._connection.getresponse()
        return response.status, response.read()


@contextmanager
def servers(postgres_settings: Mapping[str, str]) -> Iterator[None]:
    """Start the backends with new data, set the environment to their addresses, and migrate."""
    with tempfile.TemporaryDirectory(prefix="imts-bench-") as directory:
        data = Path(directory, "data")
        with Stack(data, wanted=("postgres",), report=_silent) as stack:
            asyncio.run(_alter_system(stack.addresses()["DATABASE_URL"], postgres_settings))
        with Stack(data, report=_silent) as stack:
            os.environ.update(stack.addresses())
            os.environ.update(APP_ENV="development", JWT_SECRET="b" * 48, LOG_LEVEL="ERROR")
            # The benchmark measures searches, not the cache.
            os.environ.update(CACHE_ENABLED="false", TELEMETRY_SPILL_DIR=f"{directory}/wal")
            os.environ.update(TRUSTED_PROXIES="127.0.0.1")
            # Nor the rate limits of one client.
            os.environ.update(dict.fromkeys(("UPLOAD_LIMITS", "SEARCH_LIMITS", "NEW_TAG_LIMITS"), UNLIMITED))
            upgrade(Settings().sqlalchemy_url)
            yield


@dataclass(frozen=True, slots=True)
class Server:
    """A server at `url`. Its workers are children of `process`."""

    url: str
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """Return the processor time that it has used so far, with that of ended child processes."""
        workers = [self.process, *self.process.children(recursive=True)]
        return sum(sum(one.cpu_times()[:4]) for one in workers)


@contextmanager
def serving(command: Sequence[str], ready: str, **environment: str) -> Iterator[Server]:
    """Run a server on a free port until the block ends; it is ready when the path `ready` returns 200."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([*command, "--port", str(port)], env={**os.environ, **environment})  # noqa: S603
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while not _responds(url, ready):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command} does not answer")
            time.sleep(0.1)
        yield Server(url, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait()


@contextmanager
def service() -> Iterator[str]:
    """Serve with one worker; yield the address."""
    with serving([sys.executable, "-m", "app", "serve"], "/readyz") as server:
        yield server.url


async def _alter_system(url: str, settings: Mapping[str, str]) -> None:
    connection = await asyncpg.connect(url)
    for name, value in settings.items():
        await connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    await connection.close()


def _responds(url: str, path: str) -> bool:
    try:
        return Client(url).send("GET", path)[0] == OK
    except OSError:
        return False


def _silent(_line: str) -> None:
    """Print nothing: only the results are of interest."""
