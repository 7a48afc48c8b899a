"""PgBouncer in front of PostgreSQL, in transaction mode."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

# Debian installs it where only root has it on its path.
PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SETTINGS = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {directory}/users
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 2000
logfile = {directory}/log
"""


@contextmanager
def running_pgbouncer(url: str, pool_size: int) -> Iterator[str]:
    """Start PgBouncer in front of the server of this address; yield the address of the same database behind it.

    It opens up to `pool_size` connections to each database, and knows no startup parameters but its own.
    """
    assert PROGRAM is not None
    parts = urlsplit(url)
    port = _free_port()
    with TemporaryDirectory(prefix="imts-pgbouncer-") as name:
        directory = Path(name)
        (directory / "users").write_text(f'"{parts.username}" "{parts.password}"\n')
        settings = SETTINGS.format(
            host=parts.hostname, port=parts.port, listen_port=port, directory=name, pool_size=pool_size
        )
        (directory / "pgbouncer.ini").write_text(settings)
        process = _start([PROGRAM, "--quiet", str(directory / "pgbouncer.ini")], directory)
        try:
            _wait_until_listening(port, process, directory / "log")
            yield parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}").geturl()
        finally:
            process.kill()
            process.wait()


def through_pooler(address: str, server: str, pooler: str) -> dict[str, object]:
    """Return the settings for a database of the server, which has either address; none for another server."""
    direct, pooled = (urlsplit(address)._replace(netloc=urlsplit(url).netloc).geturl() for url in (server, pooler))
    if address not in (direct, pooled):
        return {}
    return {"database_url": pooled, "database_direct_url": direct, "database_pooler": True}


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def _start(command: list[str], directory: Path) -> subprocess.Popen[bytes]:
    """Start a process. PgBouncer refuses to run as root."""
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    if user is not None:
        for path in (directory, *directory.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)
    return subprocess.Popen(command, user=user.pw_uid if user else None, group=user.pw_gid if user else None)  # noqa: S603


def _wait_until_listening(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(500):
        assert process.poll() is None, log.read_text() if log.exists() else "PgBouncer has ended"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise AssertionError("PgBouncer does not listen")
