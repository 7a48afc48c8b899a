"""Searches over HTTP."""

import asyncio
import uuid
from typing import Any

import asyncpg
import httpx
import pytest

from app.authz.visibility import VisibilityScope
from app.core.settings import Settings
from app.db.asyncpg_queries import fetch
from app.db.database import Database
from app.db.sql_text import BindParameters
from app.images.schemas import ImagePage
from app.search.executor import SearchEngine, SearchExecutor
from app.search.language.parser import parse
from app.search.planning.cost_model import CostModel
from app.search.planning.sort_order import SortOrder
from tests.search.collection import OWNERS, pictures, store
from tests.support.accounts import Account
from tests.support.counters import tallied
from tests.support.server import running_service
from tests.tags.helpers import read, upload

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("query", "position", "expected", "did_you_mean"),
    [
        ("cat (dog", 8, ")", None),
        ("cat OR", 6, "a tag, a filter or a group", None),
        ("cat) dog", 3, "the end, or a ( before", None),
        ('say "cat', 4, 'a closing "', None),
        ("type:jepg", 5, "jpeg, png, webp, gif, avif or heic", "type:jpeg"),
        ("heigth:>5", 0, "a tag", "height:>5"),
        ("width:wide", 6, "a whole number", None),
        ("width:99999999999999999999", 6, "a whole number", None),
        ("date:2026-02-30", 5, "a date that there is", None),
        ("date:yesteday", 5, None, "date:yesterday"),
        ("3-of:(a b)", 0, "1 to 2", None),
        ("a,b", 0, "a tag", None),
        (" ".join(["a"] * 51), 100, "the end", None),
        ("(" * 11 + "a" + ")" * 11, 10, "a tag, a filter or a group", None),
    ],
)
async def test_a_query_that_does_not_parse_is_refused_with_the_position(
    client: httpx.AsyncClient, query: str, position: int, expected: str | None, did_you_mean: str | None
) -> None:
    response = await client.get("/v1/images", params={"q": query})
    body = response.json()
    assert (response.status_code, body["type"], body["position"]) == (400, "/problems/invalid-query", position)
    assert body.get("did_you_mean") == did_you_mean
    assert expected in (None, body["expected"])


async def test_the_page_carries_the_canonical_query(client: httpx.AsyncClient) -> None:
    page = await read(client, "/v1/images", q='Cat  AND NOT "Hot Dog" | (a (b|c)) TYPE:PNG')
    assert page == {"items": [], "next_cursor": None, "query": 'cat -"hot dog" OR a (b OR c) type:png'}


async def test_names_are_searched_for_in_their_stored_form(client: httpx.AsyncClient) -> None:
    page = await read(client, "/v1/images", q="name:*e\u0301.PNG")
    assert page["query"] == "name:*\u00e9.PNG"


async def test_the_page_equals_the_serialised_models(sql: asyncpg.Connection, client: httpx.AsyncClient) -> None:
    await store(sql, pictures(5, 40))
    for query in ("limit=100", "limit=3&count=exact", "q=nowhere"):
        response = await client.get(f"/v1/images?{query}")
        page = ImagePage.model_validate_json(response.content)
        assert response.text == page.model_dump_json(exclude_unset=True)
        one = page.items[0] if page.items else None
        if one:
            assert (await client.get(one.links.self)).text == one.model_dump_json()


async def test_private_images_are_in_no_strangers_page_count_or_cursor(
    user: Account, admin: Account, make_account: Any, client: httpx.AsyncClient
) -> None:
    await upload(user, "cat")
    private = await upload(user, "cat", visibility="private")
    stranger = await make_account()
    for viewer, total in ((client, 1), (stranger.client, 1), (user.client, 2), (admin.client, 2)):
        for how in ("exact", "estimate"):
            page = await read(viewer, "/v1/images", q="cat", count=how)
            assert (len(page["items"]), page["total"], page["total_is"]) == (total, total, how)
    own = await read(user.client, "/v1/images", q="uploader:me visibility:private")
    assert [one["id"] for one in own["items"]] == [private["id"]]
    assert (await read(stranger.client, "/v1/images", q="visibility:private"))["items"] == []
    assert (await client.get("/v1/images", params={"q": "uploader:me"})).status_code == 401


async def test_a_cursor_serves_only_its_own_query_order_and_viewer(user: Account, client: httpx.AsyncClient) -> None:
    for _ in range(3):
        await upload(user, "cat", "pet")
    parameters = {"q": "cat  AND pet", "sort": "-size", "limit": "1"}
    first = await client.get("/v1/images", params=parameters)
    cursor = first.json()["next_cursor"]
    assert f"cursor={cursor}" in first.headers["link"]
    assert (await client.get("/v1/images", params={**parameters, "q": "cat pet", "cursor": cursor})).status_code == 200
    changes: list[dict[str, str]] = [
        {"q": "cat"},
        {"sort": "size"},
        {"cursor": cursor[:-1] + ("A" if cursor[-1] != "A" else "B")},
    ]
    for change in changes:
        response = await client.get("/v1/images", params={**parameters, "cursor": cursor, **change})
        assert (response.status_code, response.json()["type"]) == (400, "/problems/invalid-cursor")
    assert (await user.client.get("/v1/images", params={**parameters, "cursor": cursor})).status_code == 400


async def test_nothing_is_skipped_or_repeated_while_images_are_added(user: Account) -> None:
    before = {(await upload(user, "cat"))["id"] for _ in range(7)}
    seen: list[str] = []
    cursor: str | None = None
    while cursor or not seen:
        page = await read(user.client, "/v1/images", q="cat", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
        await upload(user, "cat")
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


async def test_a_wildcard_of_too_many_tags_is_refused(user: Account, client: httpx.AsyncClient) -> None:
    for tens in range(3):
        await upload(user, *(f"t{number}" for number in range(tens * 40, tens * 40 + 40)))
    response = await client.get("/v1/images", params={"q": "-t*"})
    assert (response.status_code, response.json()["type"]) == (400, "/problems/query-too-broad")
    assert (await client.get("/v1/images", params={"q": "t1*"})).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        " ".join(f"-tag{number}" for number in range(50)),
        "(" * 10 + "cat" + ")" * 10,
        "*",
        r"name:%_\*",
        "name:?????????????????????*",
        "-" + "(-(" * 5 + "a" + "))" * 5,
        " ".join(f"{number}*" for number in range(50)),
        "50-of:(" + " ".join(f"t{number}" for number in range(50)) + ")",
        "ratio:0..99999 pixels:..9223372036854775807",
        "date:0001..9998",
        "'%';DROP TABLE images;--".replace(";", " "),
        "25-of:(" + " ".join(f"-t{number}" for number in range(50)) + ")",
        "3-of:(" + " ".join(f"{letter}*" for letter in "abcdefghij") + " width:1 cat)",
        " OR ".join(f"(-t{number} -width:{number})" for number in range(25)),
        'name:*%*_*\\\\*?*"* -name:*a*',
        "-type:jpeg,png,webp,gif,avif,heic -visibility:public,private",
        "ratio:1.7777..1.7778 height:>5 tags:..100 size:1b.. sha256:" + "0" * 64,
        "-*a* -*b* -c*",
        "1:2 a::b x:*",
        "\u0000",
    ],
)
async def test_expensive_queries_end_with_a_documented_error(
    sql: asyncpg.Connection, client: httpx.AsyncClient, query: str
) -> None:
    await store(sql, pictures(3, 30))
    for sort in ("-created", "random:x", "name"):
        response = await client.get("/v1/images", params={"q": query, "sort": sort, "count": "exact"})
        assert response.status_code in (200, 400, 422), response.text


async def test_a_search_that_takes_too_long_ends_without_an_effect_on_others(
    settings: Settings, sql: asyncpg.Connection
) -> None:
    await store(sql, pictures(3, 30))
    impatient = settings.model_copy(update={"search_timeout_ms": 300})
    async with running_service(impatient) as service, httpx.AsyncClient(base_url=service.url) as client:
        blocker = await asyncpg.connect(settings.direct_database_url)
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE images")
            response = await client.get("/v1/images", params={"q": "cat"})
            assert (response.status_code, response.json()["type"]) == (503, "/problems/query-timeout")
            assert "retry-after" in response.headers
        assert (await client.get("/v1/images", params={"q": "cat"})).status_code == 200
        await blocker.close()


@pytest.mark.parametrize("query", ["cat", "cat -dog (sofa OR kitty)", "2-of:(cat dog sofa) type:png,jpeg", "-cat"])
async def test_a_page_takes_few_statements_however_many_images_it_has(
    sql: asyncpg.Connection, database: Database, query: str
) -> None:
    await store(sql, pictures(3, 120))
    counts = set()
    for limit in (1, 20):
        with tallied() as tally:
            async with database.search_session() as session:
                search = await SearchEngine().prepare(session, parse(query), VisibilityScope(sees_all=True))
                found, _more = await search.fetch_page(SortOrder("-created"), None, limit)
        assert len(found) == limit
        counts.add(tally.statements)
    # The names, and the page's images with their tags.
    assert counts == {2}


async def test_a_last_page_is_not_searched_for_again(sql: asyncpg.Connection, database: Database) -> None:
    await store(sql, pictures(3, 30))
    with tallied() as tally:
        async with database.search_session() as session:
            search = await SearchEngine().prepare(session, parse("-cat width:1.."), VisibilityScope(sees_all=True))
            found, more = await search.fetch_page(SortOrder("-created"), None, 100)
    assert (0 < len(found) < 30, more) == (True, False)
    # The names, the walk, whether it has seen all.
    assert tally.statements == 3


def without_turns(strategies: list[str]) -> SearchEngine:
    """Return an engine with a short probe, as if other long searches took all turns."""
    return SearchEngine(strategies, CostModel(probe_rows=5), long_searches=0)


async def test_long_searches_wait_their_turn_and_hold_no_connection(
    settings: Settings, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store(sql, pictures(3, 30))
    monkeypatch.setattr("app.lifespan.SearchEngine", without_turns)
    crowded = settings.model_copy(
        update={"search_timeout_ms": 3000, "database_search_pool_size": 1, "search_concurrency_per_client": 3}
    )
    async with running_service(crowded) as service, httpx.AsyncClient(base_url=service.url, timeout=60) as client:
        long = [asyncio.create_task(client.get("/v1/images", params={"q": "-cat width:5..6"})) for _ in range(2)]
        while not any(task.done() for task in long):
            response = await client.get("/v1/images", params={"q": "cat", "limit": 1})
            assert response.status_code == 200, response.text
        problems = [(response.status_code, response.json()["type"]) for response in await asyncio.gather(*long)]
    assert problems == [(503, "/problems/query-timeout")] * 2


async def test_continuous_searches_of_one_client_do_not_delay_others(
    settings: Settings, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store(sql, pictures(3, 30))
    begun, end = asyncio.Event(), asyncio.Event()

    async def count_until_released(*_arguments: object) -> int:
        begun.set()
        await end.wait()
        return 0

    monkeypatch.setattr("app.search.service.count_exactly", count_until_released)
    fair = settings.model_copy(
        update={
            "search_timeout_ms": 100_000,
            "search_concurrency_per_client": 1,
            "trusted_proxies": ["127.0.0.1"],
            "cache_enabled": False,
        }
    )
    async with running_service(fair) as service, httpx.AsyncClient(base_url=service.url, timeout=100) as client:

        async def search(address: str, **parameters: str) -> int:
            response = await client.get("/v1/images", params=parameters, headers={"X-Forwarded-For": address})
            return response.status_code

        long = asyncio.create_task(search("192.0.2.1", q="dog", count="exact"))
        await begun.wait()
        own = [asyncio.create_task(search("192.0.2.1", q=query)) for query in ("cat", "-cat")]
        assert [await search(f"198.51.100.{number}", q="cat") for number in range(5)] == [200] * 5
        assert not any(task.done() for task in (long, *own))
        end.set()
        assert await asyncio.gather(long, *own) == [200] * 3


async def test_an_exact_count_that_takes_too_long_is_estimated(
    settings: Settings, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store(sql, pictures(3, 30))
    monkeypatch.setattr("app.search.service.count_exactly", _forever)
    async with running_service(settings) as service, httpx.AsyncClient(base_url=service.url) as client:
        page = await read(client, "/v1/images", q=f"uploader:{OWNERS[0]} visibility:public", count="exact")
    assert (page["total"], page["total_is"]) == (len(page["items"]), "estimate")


async def test_a_count_ends_with_the_page_that_fails(
    settings: Settings, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store(sql, pictures(3, 30))
    given_up = asyncio.Event()

    async def count_until_given_up(*_arguments: object) -> int:
        try:
            return await _forever()
        except asyncio.CancelledError:
            given_up.set()
            raise

    # The page waits for a turn that does not come, the count has more time.
    monkeypatch.setattr("app.lifespan.SearchEngine", without_turns)
    monkeypatch.setattr("app.search.service.COUNT_SHARE", 1_000)
    monkeypatch.setattr("app.search.service.count_exactly", count_until_given_up)
    hasty = settings.model_copy(update={"search_timeout_ms": 300})
    async with running_service(hasty) as service, httpx.AsyncClient(base_url=service.url) as client:
        response = await client.get("/v1/images", params={"q": "-cat width:5..6", "count": "exact"})
        assert (response.status_code, response.json()["type"]) == (503, "/problems/query-timeout")
        assert given_up.is_set()
        assert (await client.get("/v1/images", params={"q": "cat"})).status_code == 200


async def test_a_count_does_not_wait_for_the_connection_of_its_own_page(
    settings: Settings, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store(sql, pictures(3, 30))
    find = SearchExecutor.fetch_page

    async def find_slowly(search: SearchExecutor, *parameters: Any) -> Any:
        await fetch(search.session, "SELECT pg_sleep(0.5)", ())
        return await find(search, *parameters)

    monkeypatch.setattr(SearchExecutor, "fetch_page", find_slowly)
    narrow = settings.model_copy(update={"search_timeout_ms": 900, "database_search_pool_size": 1})
    async with running_service(narrow) as service, httpx.AsyncClient(base_url=service.url) as client:
        page = await read(client, "/v1/images", q="cat", count="exact")
    assert page["total_is"] == "exact"


async def _forever(*_arguments: object) -> int:
    await asyncio.Event().wait()
    return 0


async def test_random_orders_are_repeatable_and_complete(sql: asyncpg.Connection, client: httpx.AsyncClient) -> None:
    await store(sql, [one for one in pictures(5, 40) if not one.private])

    async def order(seed: str) -> list[str]:
        page = await read(client, "/v1/images", sort=f"random:{seed}", limit=100)
        return [one["id"] for one in page["items"]]

    first = await order("a")
    assert first == await order("a")
    orders = [await order(uuid.uuid4().hex) for _ in range(20)]
    assert all(sorted(one) == sorted(first) for one in orders)
    assert any(one != first for one in orders)
    for wrong in ("random", "random:", "random:a b", "-random:1", "height"):
        assert (await client.get("/v1/images", params={"sort": wrong})).status_code == 422


async def test_the_sql_of_nested_choices_does_not_grow_exponentially(database: Database) -> None:
    query = " ".join(f"t{number}" for number in range(30))
    for number in range(9):
        query = f"a{number} {'2' if number else '15'}-of:({query})"
    async with database.search_session() as session:
        search = await SearchEngine().prepare(session, parse(f"2-of:({query})"), VisibilityScope())
        values = BindParameters()
        search.predicates.condition(values)
    assert len(values.values) < 200
