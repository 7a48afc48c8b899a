"""The replay of the events of all images, which must give `tagged`."""

from typing import Any

import asyncpg

Pair = tuple[Any, int]


async def replay(sql: asyncpg.Connection) -> dict[Pair, bool]:
    """Return the tags of all images that the events give, with whether they are explicit."""
    state: dict[Pair, bool] = {}
    for event in await sql.fetch("SELECT * FROM tag_events ORDER BY id"):
        pair = (event["image"], event["tag_id"])
        assert state.get(pair) == event["was_explicit"], dict(event)
        state.pop(pair, None)
        if event["is_explicit"] is not None:
            state[pair] = event["is_explicit"]
    return state


async def assert_replayable(sql: asyncpg.Connection) -> None:
    """Compare the replay with `tagged`, and the replayed names with those of the tags."""
    rows = await sql.fetch("SELECT image, tag, is_explicit FROM tagged")
    images = {row["id"] for row in await sql.fetch("SELECT id FROM images")}
    replayed = {pair: explicit for pair, explicit in (await replay(sql)).items() if pair[0] in images}
    assert replayed == {(row["image"], row["tag"]): row["is_explicit"] for row in rows}
    assert await names(sql) == {
        (row["image"], row["name"])
        for row in await sql.fetch("SELECT image, name FROM tagged JOIN tags ON tags.id = tagged.tag")
    }


async def names(sql: asyncpg.Connection) -> set[tuple[Any, str]]:
    """Return the images and tag names that the visible fields of the events give."""
    state: dict[tuple[Any, str], bool] = {}
    for event in await sql.fetch("SELECT e.* FROM tag_events e JOIN images i ON i.id = e.image ORDER BY e.id"):
        present = event["is_explicit"] is not None
        state[event["image"], event["tag"]] = present
    return {pair for pair, present in state.items() if present}
