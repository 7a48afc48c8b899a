"""A small random collection, in the tables and in Python, and an evaluation of queries in plain Python."""

import fnmatch
import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import asyncpg

from app.search.language import ast
from app.search.language.filters import RANGE_FILTERS
from app.search.language.value_ranges import parse_range

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NAMES = ("cat", "cattle", "dog", "hot dog", "sofa", "a_b", "axb", "x:y", "unused")
ALIASES = {"kitty": "cat", "cow": "cattle"}
OWNERS = tuple(uuid.UUID(int=number) for number in (1, 2))
TYPES = ("jpeg", "png", "avif")
CAMERAS = ("Canon EOS R5", "Canon EOS 5D", "iPhone 100%", "a_b", None)


@dataclass(frozen=True)
class Picture:
    """An image in plain Python."""

    id: uuid.UUID
    name: str
    created_at: datetime
    uploaded_by: uuid.UUID | None
    kind: str
    size: int
    width: int
    height: int
    taken_at: datetime | None
    camera: str | None
    sha256: bytes
    private: bool
    tags: frozenset[str] = field(default_factory=frozenset)


STARTS = ("img", "IMG", "100%", "a_b")
ENDS = (".png", ".png", ".PNG", " ß🖼", "\U0010ffffx")


def pictures(seed: int, count: int) -> list[Picture]:
    """Return a collection. Many values are equal, so orders have ties."""
    dice = random.Random(seed)
    return [
        Picture(
            id=uuid.UUID(int=dice.getrandbits(128), version=1),
            name=f"{dice.choice(STARTS)} {number}{dice.choice(ENDS)}",
            created_at=datetime(2026, 11, 1, tzinfo=UTC) + timedelta(hours=6 * dice.randrange(80)),
            uploaded_by=dice.choice((*OWNERS, None)),
            kind=dice.choice(TYPES),
            size=dice.choice((10, 1024, 2048, 5_000_000_000)),
            width=dice.choice((1, 160, 1600)),
            height=dice.choice((1, 90, 900)),
            taken_at=None if dice.random() < 0.4 else datetime(2026, 11, 1) + timedelta(hours=6 * dice.randrange(40)),  # noqa: DTZ001
            camera=dice.choice(CAMERAS),
            sha256=bytes([dice.choice((0, 100, 200, 255))]) * 32,
            private=dice.random() < 0.3,
            tags=frozenset(name for name in NAMES[:-1] if dice.random() < 0.4),
        )
        for number in range(count)
    ]


async def store(sql: asyncpg.Connection, collection: list[Picture]) -> None:
    """Insert the collection, its accounts and its tags."""
    await sql.executemany("INSERT INTO users (id, email) VALUES ($1, $2)", [(owner, f"{owner}@x") for owner in OWNERS])
    ids = {name: number for number, name in enumerate(NAMES, 1)}
    await sql.executemany("INSERT INTO tags (id, name) VALUES ($2, $1)", list(ids.items()))
    aliases = [(100 + number, alias, ids[target]) for number, (alias, target) in enumerate(ALIASES.items())]
    await sql.executemany("INSERT INTO tags (id, name, alias_of) VALUES ($1, $2, $3)", aliases)
    await sql.executemany(
        "INSERT INTO images (id, name, storage_key, created_at, uploaded_by, content_type, size, width, height, "
        "taken_at, camera, sha256, visibility) "
        "VALUES ($1, $2, $1::uuid::text, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        [
            (
                *(one.id, one.name, one.created_at, one.uploaded_by, f"image/{one.kind}", one.size, one.width),
                *(one.height, one.taken_at, one.camera, one.sha256, "private" if one.private else "public"),
            )
            for one in collection
        ],
    )
    tagged = [(ids[name], one.id) for one in collection for name in one.tags]
    await sql.executemany("INSERT INTO tagged (tag, image) VALUES ($1, $2)", tagged)
    # The search chooses its strategy by the compacted counts.
    await sql.execute(
        "UPDATE tags SET image_count = "
        "(SELECT count(*) FROM images WHERE tag_ids @> ARRAY[tags.id] AND visibility = 'public'); "
        "TRUNCATE tag_count_deltas; ANALYZE images; ANALYZE tags"
    )


def matches(node: ast.Node, picture: Picture, viewer: uuid.UUID | None) -> bool:  # noqa: PLR0911
    """Return whether a picture matches."""
    match node:
        case ast.Tag(name):
            return ALIASES.get(name, name) in picture.tags
        case ast.Wildcard(pattern):
            found = {ALIASES.get(name, name) for name in (*NAMES, *ALIASES) if fnmatch.fnmatchcase(name, pattern)}
            return bool(found & picture.tags)
        case ast.Filter(name, values):
            return any(_has(picture, name, value, viewer) for value in values)
        case ast.Not(term):
            return not matches(term, picture, viewer)
        case ast.And(terms):
            return all(matches(term, picture, viewer) for term in terms)
        case ast.Or(terms):
            return any(matches(term, picture, viewer) for term in terms)
        case ast.AtLeast(number, terms):
            return sum(matches(term, picture, viewer) for term in terms) >= number


def visible(picture: Picture, viewer: uuid.UUID | None, *, sees_all: bool) -> bool:
    """Return whether a viewer may see a picture."""
    return sees_all or not picture.private or (viewer is not None and picture.uploaded_by == viewer)


def _has(picture: Picture, name: str, value: str, viewer: uuid.UUID | None) -> bool:  # noqa: PLR0911
    match name:
        case "name":
            return fnmatch.fnmatchcase(picture.name, value)
        case "camera":
            return picture.camera is not None and fnmatch.fnmatchcase(picture.camera, value)
        case "taken" if picture.taken_at is None:
            return False
        case "type":
            return picture.kind == value
        case "visibility":
            return picture.private == (value == "private")
        case "sha256":
            return picture.sha256.hex() == value
        case "uploader":
            if value == "none":
                return picture.uploaded_by is None
            return picture.uploaded_by == (viewer if value == "me" else uuid.UUID(value))
    known = {
        "width": picture.width,
        "height": picture.height,
        "pixels": picture.width * picture.height,
        "ratio": Fraction(picture.width, picture.height),
        "size": picture.size,
        "date": picture.created_at,
        "taken": picture.taken_at,
        "tags": len(picture.tags),
    }[name]
    bounds = parse_range(value, RANGE_FILTERS[name], NOW)
    above = bounds.low is None or known > bounds.low or (bounds.low_included and known == bounds.low)
    below = bounds.high is None or known < bounds.high or (bounds.high_included and known == bounds.high)
    return above and below
