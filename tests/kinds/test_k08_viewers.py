"""K8: a stranger sees a collection that is 99 % private as if it had its public rows only.

Each GET operation of the OpenAPI document is requested before and after all private rows are removed.
"""

import itertools
import uuid
from collections.abc import AsyncIterator
from itertools import cycle
from typing import Any, get_args

import asyncpg
import httpx
import pytest

from app.core.settings import Settings
from app.db.database import Database
from app.search.bitmap_index.maintenance import BitmapIndexUpdater
from app.search.language.filters import FILTER_NAMES
from app.search.planning import cost_model
from app.search.planning.facet_fields import FacetName
from app.search.planning.sort_order import SORTS
from app.tags.count_compaction import TagCountCompactor
from tests.kinds.private_collection import PRIVATE, PUBLIC, TWIN, remove_what_is_private, store_private_collection
from tests.support.accounts import Account
from tests.support.openapi import DOCUMENT
from tests.support.server import RunningService, running_service

pytestmark = pytest.mark.integration

READS = {
    (method.upper(), path)
    for path, item in DOCUMENT["paths"].items()
    if path.startswith("/v1/")
    for method in item
    if method == "get" or path == "/v1/images/lookup"
}
# These responses concern the caller's own account, are for admins only, or are the same for all.
NOT_ABOUT_IMAGES = ("/v1/users", "/v1/auth", "/v1/ops", "/v1/uploads", "/v1/history")
QUERIES = [
    *("", "*", "common", "half -public*", "secret1", "secret*", "-secret*", "a*", "plan:x", "plan:*", "kitty", "hush"),
    *("2-of:(common half secret1)", "common OR secret1", "public* half", "nowhere or common", "*t*", "(o)_(o) secret1"),
]
PRIVATE_ID, PUBLIC_ID = (str(uuid.UUID(f"{number:032}")) for number in (1, 99))
FILTERS = {
    **dict.fromkeys(("width", "height", "pixels", "size"), ">1"),
    "tags": ">2",
    "ratio": ">1",
    "date": "2026..",
    "uploader": "none",
    "taken": "2026..",
    "name": "*9*",
    "camera": "*camera 3*",
    "type": "png",
    "visibility": "private",
    "sha256": TWIN.hex(),
    "similar": f"{PUBLIC_ID},{PRIVATE_ID}",
}
ORDERS = [*SORTS, *(f"-{sort}" for sort in SORTS), "random:x"]
NAMES_OF_TAGS = ("common", "kitty", "hush", "half", "secret0", "aa1", "plan:x", "publicity", "unused", "nowhere")


def searches() -> list[dict[str, Any]]:
    texts = [*QUERIES, *(f"{name}:{value}" for name, value in FILTERS.items())]
    return [
        {"q": query, "sort": ORDERS[number % len(ORDERS)], "count": ("exact", "estimate")[number % 2], "limit": 5}
        for number, query in enumerate([*texts, *(f"common {query}" for query in texts), *texts[:1]])
    ]


def requests() -> dict[tuple[str, str], list[tuple[str, dict[str, Any]]]]:
    """Return the requests for each operation: a path and the arguments of the request."""
    tags: list[dict[str, Any]] = [{"sort": sort, "limit": 2} for sort in ("count", "name")]
    parts = [{"prefix": "s"}, {"prefix": "hu"}, {"prefix": "k"}, {"contains": "a"}, {"contains": "lan:"}]
    tags += [{**one, **part} for one in tags for part in parts]
    one_image: dict[tuple[str, str], list[tuple[str, dict[str, Any]]]] = {
        ("GET", f"/v1/images/{{image_id}}{rest}"): [(f"/v1/images/{PRIVATE_ID}{rest}", {})]
        for rest in ("", "/content", "/thumbnail", "/url", "/history", "/suggested-tags", "/similar")
    }
    suggested: dict[str, Any] = {"params": {"limit": 100}}
    one_image["GET", "/v1/images/{image_id}/suggested-tags"] += [
        (f"/v1/images/{number:032}/suggested-tags", suggested) for number in range(99, PUBLIC + PRIVATE, 100)
    ]
    one_image["GET", "/v1/images/{image_id}/similar"] += [
        (f"/v1/images/{number:032}/similar", {"params": {"limit": limit}})
        for number, limit in itertools.product((99, 199, 799), (3, 100))
    ]
    one_image["GET", "/v1/images/{image_id}"].append((f"/v1/images/{PUBLIC_ID}", {}))
    return {
        ("GET", "/v1/images"): [("/v1/images", {"params": one}) for one in searches()],
        ("GET", "/v1/images/duplicates"): [("/v1/images/duplicates", {"params": {"limit": 5}})],
        ("GET", "/v1/images/facets"): [
            ("/v1/images/facets", {"params": {"q": query, "by": name, "limit": 5}})
            for query, name in zip(QUERIES, cycle(get_args(FacetName)), strict=False)
        ],
        ("GET", "/v1/images/explain"): [("/v1/images/explain", {"params": {"q": query}}) for query in QUERIES],
        ("GET", "/v1/trash"): [("/v1/trash", {"params": {"limit": 5}})],
        ("POST", "/v1/images/lookup"): [("/v1/images/lookup", {"json": {"sha256": [TWIN.hex()]}})],
        ("GET", "/v1/tags"): [("/v1/tags", {"params": one}) for one in tags],
        ("GET", "/v1/tags/{name}"): [(f"/v1/tags/{name}", {}) for name in NAMES_OF_TAGS],
        ("GET", "/v1/tags/{name}/related"): [(f"/v1/tags/{name}/related", {}) for name in NAMES_OF_TAGS],
        ("GET", "/v1/tags/{name}/history"): [
            (f"/v1/tags/{name}/history", {"params": {"limit": 100}}) for name in NAMES_OF_TAGS[2:6]
        ],
        **one_image,
    }


async def read(client: httpx.AsyncClient, method: str, path: str, arguments: dict[str, Any]) -> list[Any]:
    """Return the status and the body of a response, and of the pages after it."""
    results: list[Any] = []
    while True:
        response = await client.request(method, path, **arguments)
        body = response.json()
        results.append((response.status_code, {name: value for name, value in body.items() if name != "request_id"}))
        if not body.get("next_cursor"):
            return results
        arguments = {"params": {**arguments["params"], "cursor": body["next_cursor"]}}


@pytest.fixture
async def uncached(settings: Settings, sql: asyncpg.Connection) -> AsyncIterator[RunningService]:  # noqa: ARG001
    """A service without a cache. Under load, an exact count must not become an estimate."""
    patient = settings.model_copy(update={"cache_enabled": False, "search_timeout_ms": 100_000})
    async with running_service(patient) as service:
        yield service


def test_k8_every_read_is_asked() -> None:
    about_images = {(method, path) for method, path in READS if not path.startswith(NOT_ABOUT_IMAGES)}
    assert set(requests()) == about_images
    assert set(FILTERS) == set(FILTER_NAMES)


@pytest.mark.parametrize(
    "mapped", ["half", pytest.param("all", marks=pytest.mark.slow), pytest.param("none", marks=pytest.mark.slow)]
)
async def test_k8_a_stranger_is_told_what_the_public_rows_alone_tell(
    mapped: str,
    uncached: RunningService,
    sql: asyncpg.Connection,
    database: Database,
    user: Account,
    make_account: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cost_model, "COMMON_TAG_IMAGES", 3)
    counts, bitmaps = TagCountCompactor(database, 1), BitmapIndexUpdater(database, 1)
    await store_private_collection(sql, user.id, 1, 500)
    if mapped != "none":
        await counts.compact()
        await bitmaps.update()
    await store_private_collection(sql, user.id, 501, PUBLIC + PRIVATE)
    if mapped == "all":
        await counts.compact()
        await bitmaps.update()
    await sql.execute("ANALYZE images; ANALYZE tags")
    stranger = await make_account()
    clients = [{}, {"Authorization": f"Bearer {stranger.access_token}"}]

    async def read_everything() -> list[Any]:
        results = []
        for step, headers in enumerate(clients, 1):
            async with httpx.AsyncClient(base_url=uncached.url, headers=headers) as client:
                for (method, _), cases in requests().items():
                    for path, arguments in cases[::step]:
                        results.append(((method, path, str(arguments)), await read(client, method, path, arguments)))
        return results

    with_private = await read_everything()
    await remove_what_is_private(sql)
    await counts.compact()
    await bitmaps.update()
    alone = await read_everything()
    for (request, results), (_, expected) in zip(with_private, alone, strict=True):
        assert results == expected, request


async def test_k8_duplicates_of_an_upload_are_visible_ones(
    uncached: RunningService, sql: asyncpg.Connection, user: Account, make_account: Any, photo: bytes
) -> None:
    first = {"image": ("a.png", photo, "image/png")}
    stored = await user.client.post("/v1/images", files=first, data={"visibility": "private"})
    assert stored.status_code == 201
    await store_private_collection(sql, user.id, 1, PUBLIC + PRIVATE)
    await sql.execute("UPDATE images SET sha256 = $1", bytes.fromhex(stored.json()["sha256"]))
    stranger = await make_account()
    headers = {"Authorization": f"Bearer {stranger.access_token}"}
    async with httpx.AsyncClient(base_url=uncached.url, headers=headers) as client:
        response = await client.post("/v1/images", files={"image": ("b.png", photo, "image/png")})
    public = await sql.fetch("SELECT id FROM images WHERE visibility = 'public' AND name <> 'b.png' ORDER BY id")
    assert response.json()["duplicates"] == [f"/v1/images/{row['id']}" for row in public]
