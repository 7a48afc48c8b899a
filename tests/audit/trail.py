"""The audit trail in PostgreSQL and MongoDB, as the tests read it."""

import json
from dataclasses import dataclass
from typing import Any

import asyncpg
from pymongo import MongoClient

from app.core.settings import Settings


@dataclass(frozen=True)
class Event:
    """The members of an event that do not depend on the run."""

    action: str
    object: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


async def read_events(sql: asyncpg.Connection) -> list[Event]:
    """Return the events, oldest first."""
    rows = await sql.fetch("SELECT action, object, before, after FROM audit_events ORDER BY at, id")
    return [Event(row["action"], row["object"], _decode(row["before"]), _decode(row["after"])) for row in rows]


def _decode(text: str | None) -> dict[str, Any] | None:
    decoded: dict[str, Any] | None = None if text is None else json.loads(text)
    return decoded


def read_records(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return the documents of MongoDB by their ids."""
    with MongoClient[dict[str, Any]](settings.mongo_url.get_secret_value(), tz_aware=True) as mongo:
        return {one["_id"]: one for one in mongo.get_default_database()["audit_events"].find()}
