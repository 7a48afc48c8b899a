"""The stack on its real servers."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pymongo import MongoClient

from devstack import BACKENDS, BackendFailed, BackendMissing, DataDirUnusable, PortInUse, Stack
from devstack import ports as port_choice
from devstack.errors import DevStackError
from tests.devstack.clients import fetch_value, read_everywhere, write_everywhere
from tests.devstack.processes import processes_of

ROOT = Path(__file__).parents[2]
HOLD_A_STACK = """
import sys, time
from pathlib import Path
from devstack import Stack
addresses = Stack(Path(sys.argv[1]), report=lambda line: None).start()
print(addresses, flush=True)
time.sleep(600)
"""


def quiet(data_dir: Path, *wanted: str, durable: bool = False, **ports: int) -> Stack:
    return Stack(data_dir, wanted or BACKENDS, ports, lambda _line: None, durable=durable)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """All servers, for the tests that only look at them."""
    with quiet(tmp_path_factory.mktemp("running") / "data dir", durable=True) as stack:
        yield stack


def pid_of(stack: Stack, name: str) -> int:
    return stack._processes[name].pid


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_second_run_finds_the_data_at_the_same_addresses(data_dir: Path) -> None:
    with quiet(data_dir, durable=True) as stack:
        first = stack.addresses()
        write_everywhere(first, "a value")
    assert processes_of(data_dir) == []
    with quiet(data_dir, durable=True) as stack:
        assert stack.addresses() == first
        assert read_everywhere(first) == dict.fromkeys(BACKENDS, "a value")


def test_objects_are_found_after_a_change_of_every_port(data_dir: Path) -> None:
    with quiet(data_dir, durable=True) as stack:
        first = stack.addresses()
        write_everywhere(first, "a value")
    (data_dir / "ports.json").unlink()
    with quiet(data_dir, durable=True) as stack:
        assert stack.addresses()["STORAGE_ENDPOINT"] != first["STORAGE_ENDPOINT"]
        assert read_everywhere(stack.addresses()) == dict.fromkeys(BACKENDS, "a value")


def test_two_stacks_at_once_and_only_one_in_a_directory(data_dir: Path) -> None:
    with quiet(data_dir / "a") as one, quiet(data_dir / "b") as other:
        write_everywhere(one.addresses(), "one")
        write_everywhere(other.addresses(), "other")
        assert set(read_everywhere(one.addresses()).values()) == {"one"}
        with pytest.raises(DataDirUnusable, match=rf"in use by another run \(process {os.getpid()}\)"):
            quiet(data_dir / "a", "redis").start()
        assert set(read_everywhere(one.addresses()).values()) == {"one"}


def test_killed_parent_takes_its_servers_along_and_the_next_run_takes_over(data_dir: Path) -> None:
    parent = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", HOLD_A_STACK, str(data_dir)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    addresses = eval(parent.stdout.readline())  # noqa: S307 - our own script's dict
    write_everywhere(addresses, "a value")
    parent.kill()
    parent.wait()
    parent.stdout.close()
    with quiet(data_dir, durable=True) as stack:
        assert stack.addresses() == addresses
        assert read_everywhere(addresses) == dict.fromkeys(BACKENDS, "a value")


def test_a_server_of_an_earlier_run_is_ended_by_its_pid_file(data_dir: Path) -> None:
    """The case of a system without parent-death signals: a server of an earlier run still lives."""
    first = quiet(data_dir, "redis", "postgres")
    first.start()
    pids = [pid_of(first, name) for name in ("redis", "postgres")]
    first._data_dir.close()  # the lock goes with a killed parent, the servers stay
    lines: list[str] = []
    with Stack(data_dir, ("redis", "postgres"), report=lines.append):
        assert len([line for line in lines if "of an earlier run" in line]) == 2
        assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids)
    first.stop()


def test_recycled_process_id_is_left_alone(data_dir: Path) -> None:
    with quiet(data_dir, "redis"):
        record = (data_dir / "run" / "redis.json").read_text()
    bystander = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", "import time; time.sleep(60)", str(data_dir)]
    )
    (data_dir / "run" / "redis.json").write_text(record.replace(record.split(",")[0], f'{{"pid": {bystander.pid}'))
    with quiet(data_dir, "redis"):
        assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


@pytest.mark.parametrize("name", BACKENDS)
def test_revive_restarts_a_killed_server_at_its_address(data_dir: Path, name: str) -> None:
    with quiet(data_dir, name) as stack:
        addresses = stack.addresses()
        assert stack.revive() == []
        os.kill(pid_of(stack, name), signal.SIGKILL)
        wait_until(lambda: stack.revive() == [name])
        assert stack.addresses() == addresses
        assert stack.revive() == []


def test_committed_rows_survive_the_kill_of_postgres(data_dir: Path) -> None:
    with quiet(data_dir, "postgres", durable=True) as stack:
        addresses = stack.addresses()
        fetch_value(addresses, "CREATE TABLE kept AS SELECT 7 AS number")
        os.kill(pid_of(stack, "postgres"), signal.SIGKILL)
        wait_until(lambda: stack.revive() == ["postgres"])
        assert fetch_value(addresses, "SELECT number FROM kept") == 7


def test_postgres_is_set_up_for_utf8_utc_and_passwords(running: Stack) -> None:
    url = running.addresses()["DATABASE_URL"]
    query = (
        "SELECT concat_ws(' ', current_database(), current_setting('TimeZone'), current_setting('server_encoding'),"
        " current_setting('fsync'), (SELECT datcollate FROM pg_database WHERE datname = 'imts'))"
    )
    assert fetch_value({"DATABASE_URL": url}, query) == "imts UTC UTF8 on C"
    with pytest.raises(Exception, match="password authentication failed"):
        fetch_value({"DATABASE_URL": url.replace("imts:", "imts:x", 1)}, "SELECT 1")


def test_mongod_offers_no_zlib(running: Stack) -> None:
    with MongoClient[dict[str, Any]](running.addresses()["MONGO_URL"]) as client:
        hello = client.admin.command({"hello": 1, "compression": ["zlib", "snappy", "zstd"]})
    assert hello["compression"] == ["snappy", "zstd"]


def test_servers_listen_on_loopback_only(running: Stack) -> None:
    pids = {pid_of(running, name) for name in BACKENDS}
    addresses = {
        connection.laddr.ip
        for pid in pids
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}


def test_a_requested_port_is_used_and_one_in_use_is_refused(data_dir: Path) -> None:
    claims = port_choice.Claims()
    port = port_choice.choose("redis", None, None, claims, with_grpc=False)
    claims.release()
    with quiet(data_dir / "a", "redis", redis=port) as stack:
        assert f":{port}/" in stack.addresses()["REDIS_URL"]
        with pytest.raises(PortInUse, match=rf"redis: port {port} on 127\.0\.0\.1"):
            quiet(data_dir / "b", "redis", redis=port).start()


def test_server_that_finds_its_port_taken_moves_to_another(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The race with another program: the port was free when it was chosen."""
    with quiet(data_dir / "a", "redis") as one:
        taken = one._ports["redis"]
        answers = iter([taken])
        real = port_choice.choose

        def choose(
            name: str, requested: int | None, last: int | None, claims: port_choice.Claims, *, with_grpc: bool
        ) -> int:
            return next(answers, None) or real(name, requested, last, claims, with_grpc=with_grpc)

        monkeypatch.setattr(port_choice, "choose", choose)
        with quiet(data_dir / "b", "redis") as other:
            assert other._ports["redis"] != taken


@pytest.mark.skipif(sys.platform != "linux", reason="no claims there")
def test_a_port_that_another_stack_has_claimed_is_not_chosen() -> None:
    """SeaweedFS may take its last port when it answers already: it would end then."""
    one, other = port_choice.Claims(), port_choice.Claims()
    port = port_choice.choose("weed_admin", None, None, one, with_grpc=True)
    assert port_choice.choose("weed_admin", None, port, one, with_grpc=True) == port
    assert port_choice.choose("weed_admin", None, port, other, with_grpc=True) != port
    with pytest.raises(PortInUse):
        port_choice.choose("redis", port + port_choice.GRPC_OFFSET, None, other, with_grpc=False)
    one.release()
    assert port_choice.choose("weed_admin", None, port, other, with_grpc=True) == port
    other.release()


def test_a_server_that_fails_to_start_shows_its_log_and_leaves_nothing(data_dir: Path) -> None:
    with quiet(data_dir, "postgres"):
        pass
    (data_dir / "postgres" / "data" / "global" / "pg_control").unlink()
    with pytest.raises(BackendFailed, match="postgres failed to start") as raised:
        quiet(data_dir, "redis", "postgres").start()
    assert "could not find the database system" in str(raised.value)
    assert processes_of(data_dir) == []


def test_interrupted_initdb_is_begun_anew(data_dir: Path) -> None:
    half = data_dir / "postgres" / "new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("15\n")
    with quiet(data_dir, "postgres") as stack:
        assert fetch_value(stack.addresses(), "SELECT 1") == 1


def test_files_are_private(data_dir: Path) -> None:
    with quiet(data_dir, "redis", "postgres"):
        pass
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert (data_dir / ".gitignore").read_text() == "*\n"
    for name in ("secrets.json", "redis/redis.conf"):
        assert stat.S_IMODE((data_dir / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(data_dir.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to give up its user id")
def test_postgres_of_root_runs_unprivileged_with_one_capability(data_dir: Path) -> None:
    with quiet(data_dir, "postgres") as stack:
        process = psutil.Process(pid_of(stack, "postgres"))
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert 0 not in process.uids()
        effective = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff"))
        assert effective.bit_count() == 1
    assert data_dir.parent.stat().st_uid == 0


def test_stop_may_be_called_at_any_time(data_dir: Path) -> None:
    stack = quiet(data_dir, "redis")
    stack.stop()
    stack.start()
    stack.stop()
    stack.stop()
    assert processes_of(data_dir) == []


def test_unknown_backend_is_refused(data_dir: Path) -> None:
    with pytest.raises(ValueError, match="unknown backends: oracle"):
        quiet(data_dir, "oracle")


def test_every_error_is_one_kind() -> None:
    for kind in (BackendFailed, BackendMissing, DataDirUnusable, PortInUse):
        assert issubclass(kind, DevStackError)
