from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from app.telemetry.recording.recorder import Recorder
from tests.telemetry.mongod import Mongod
from tests.telemetry.records import open_mongo, telemetry_settings


@pytest.fixture
def mongod(tmp_path: Path) -> Iterator[Mongod]:
    mongod = Mongod(tmp_path / "mongod")
    yield mongod
    mongod.stop()


@pytest.fixture
def mongo(mongo_url: str) -> Iterator[Database[dict[str, Any]]]:
    """The test's own Mongo database, for looking into."""
    with open_mongo(mongo_url) as database:
        yield database
        database.client.drop_database(database.name)


@pytest.fixture
async def make_recorder(tmp_path: Path) -> AsyncIterator[Callable[..., Recorder]]:
    """Make recorders that share one directory; they are closed at the end."""
    made: list[Recorder] = []

    def make(mongo_url: str, **settings: Any) -> Recorder:
        made.append(Recorder(telemetry_settings(mongo_url, **settings), tmp_path / "wal"))
        return made[-1]

    yield make
    for recorder in made:
        await recorder.close()
