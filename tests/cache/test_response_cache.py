"""The response cache: hits, visibility, invalidation and failures of Redis."""

import asyncio
import time
import uuid
from typing import Any

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from tests.cache.conftest import Cached, OwnRedis, Serve
from tests.support.accounts import Account
from tests.support.photos import png


async def upload(client: httpx.AsyncClient, account: Account, **fields: Any) -> str:
    """Upload an image and return its path."""
    response = await client.post(
        "/v1/images",
        files={"image": (f"{uuid.uuid4().hex}.png", png())},
        data={"tags": "cat", **fields},
        headers=account.client.headers,
    )
    assert response.status_code == 201, response.text
    return str(response.json()["links"]["self"])


async def patch(client: httpx.AsyncClient, account: Account, path: str, **change: str) -> None:
    response = await client.patch(path, json=change, headers=account.client.headers)
    assert response.status_code == 200, response.text


async def test_f79_a_cached_page_reports_the_quota(cached: Cached) -> None:
    first = second = await cached.client.get("/v1/images?q=quota")
    hits = await cached.metric("hits_total")
    async with asyncio.timeout(30):
        while await cached.metric("hits_total") == hits:
            second = await cached.client.get("/v1/images?q=quota")
    for field in ("ratelimit", "ratelimit-policy", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"):
        assert field in first.headers
        assert field in second.headers
    assert second.headers["ratelimit-policy"] == first.headers["ratelimit-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "{image}",
        "/v1/images?q=cat",
        "/v1/images/facets?by=tag",
        "/v1/tags?prefix=c",
        "/v1/tags/cat",
        "/v1/tags/cat/related",
    ],
)
async def test_a_cached_response_equals_the_first_one(cached: Cached, user: Account, path: str) -> None:
    path = path.format(image=await upload(cached.client, user))
    first = await cached.client.get(path)
    hits = await cached.metric("hits_total")
    # Usually the second response. A busy machine may let the lease expire in between.
    async with asyncio.timeout(30):
        while await cached.metric("hits_total") == hits:
            second = await cached.client.get(path)
    assert (first.status_code, first.content) == (second.status_code, second.content) == (200, first.content)
    own = {
        "x-request-id",
        "date",
        "ratelimit-limit",
        "ratelimit-remaining",
        "ratelimit-reset",
        "ratelimit-policy",
        "ratelimit",
    }
    fields, fields_again = (
        {name: value for name, value in one.headers.items() if name not in own} for one in (first, second)
    )
    assert fields == fields_again
    known = await cached.client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", first.headers["etag"])
    assert (await cached.client.head(path)).headers["content-length"] == first.headers["content-length"]


async def test_a_write_is_visible_at_once_on_another_worker(serve: Serve, user: Account) -> None:
    async with serve() as one, serve() as another:
        path = await upload(one.client, user)
        for number in range(10):
            name = f"{uuid.uuid4().hex}.png"
            await patch((one, another)[number % 2].client, user, path, name=name)
            for reader in (one, another):
                assert (await reader.client.get(path)).json()["name"] == name
                assert (await reader.client.get("/v1/images")).json()["items"][0]["name"] == name


async def test_private_images_are_returned_to_authorized_viewers_only(
    cached: Cached, user: Account, admin: Account, make_account: Any
) -> None:
    stranger = await make_account()
    path = await upload(cached.client, user)
    viewers = [{}, stranger.client.headers, user.client.headers, admin.client.headers]
    for visibility, statuses in (("public", [200] * 4), ("private", [404, 404, 200, 200]), ("public", [200] * 4)):
        await patch(cached.client, user, path, visibility=visibility)
        for _ in range(2):
            responses = [await cached.client.get(path, headers=headers) for headers in viewers]
            assert [one.status_code for one in responses] == statuses
            pages = [await cached.client.get("/v1/images", headers=headers) for headers in viewers]
            assert [200 if one.json()["items"] else 404 for one in pages] == statuses


async def test_an_ended_session_gets_no_cached_response(cached: Cached, user: Account) -> None:
    path = await upload(cached.client, user, visibility="private")
    headers = user.client.headers
    for _ in range(2):
        assert (await cached.client.get(path, headers=headers)).status_code == 200
    await cached.client.post("/v1/auth/logout", headers=headers)
    assert (await cached.client.get(path, headers=headers)).status_code == 401
    assert (await cached.client.get("/v1/images", headers=headers)).status_code == 401


async def test_concurrent_misses_share_one_query(cached: Cached, user: Account, admin: Account) -> None:
    misses = await cached.metric("misses_total")
    limits = httpx.Limits(max_connections=200)
    # If a busy machine lets the lease expire, the worker bypasses the cache: try again.
    for _ in range(5):
        await cached.wait_until(is_usable=True)
        path = await upload(cached.client, user)
        async with httpx.AsyncClient(base_url=cached.client.base_url, limits=limits, timeout=60) as crowd:
            responses = await asyncio.gather(*(crowd.get(path) for _ in range(200)))
        if {one.status_code for one in responses} == {200} and await statements_of(cached, admin, path) == 1:
            break
    else:
        pytest.fail("not in five attempts")
    assert len({one.content for one in responses}) == 1
    assert await cached.metric("misses_total") - misses >= 1


async def statements_of(cached: Cached, admin: Account, path: str) -> int:
    """Return the number of SQL statements of the 200 requests for a path, from their records."""
    async with asyncio.timeout(30):
        while True:
            found, cursor = [], None
            while True:
                query = {"limit": "100", "route": "/v1/images/{image_id}"} | ({"cursor": cursor} if cursor else {})
                page = await cached.client.get("/v1/ops/requests", params=query, headers=admin.client.headers)
                found += [one for one in page.json()["items"] if one["path"] == path and one["method"] == "GET"]
                if (cursor := page.json()["next_cursor"]) is None:
                    break
            if len(found) >= 200:
                return sum(one["statements"] for one in found)
            await asyncio.sleep(0.1)


async def test_invalid_data_in_redis_is_a_miss(cached: Cached, user: Account, own_client: Redis) -> None:
    path = await upload(cached.client, user)
    expected = (await cached.client.get(path)).content
    # The worker has verified these bytes, which must not make it accept others.
    assert (await cached.client.get(path)).content == expected
    [key] = await own_client.keys("cache:*response:*")
    value = await own_client.get(key)
    assert isinstance(value, bytes)
    for junk in (b"", b"junk", bytes(1000), value[:-1], value + b"x", value[:60] + b"!" + value[61:]):
        await own_client.set(key, junk)
        assert (await cached.client.get(path)).content == expected
    await own_client.delete(key)
    await own_client.lpush(key, "no string")
    assert (await cached.client.get(path)).content == expected
    for key in await own_client.keys("cache:*scope:*"):
        await own_client.delete(key)
        await own_client.lpush(key, "no string")
    assert (await cached.client.get(path)).content == expected


async def test_a_full_redis_causes_neither_errors_nor_stale_responses(
    cached: Cached, user: Account, own_client: Redis
) -> None:
    path = await upload(cached.client, user)
    assert (await cached.client.get(path)).status_code == 200
    before = await own_client.config_get("maxmemory*")
    await own_client.config_set("maxmemory-policy", "noeviction")
    await own_client.config_set("maxmemory", "1")
    assert (await cached.client.get(path)).status_code == 200
    name = f"{uuid.uuid4().hex}.png"
    await patch(cached.client, user, path, name=name)
    assert (await cached.client.get(path)).json()["name"] == name
    for setting in ("maxmemory", "maxmemory-policy"):
        await own_client.config_set(setting, before[setting] or "0")
    hits = await cached.metric("hits_total")
    async with asyncio.timeout(30):
        while await cached.metric("hits_total") == hits:
            assert (await cached.client.get(path)).json()["name"] == name


@pytest.mark.parametrize(
    "fault",
    [
        {"latency": 1.0},
        pytest.param({"black_hole": True}, marks=pytest.mark.slow),
        pytest.param({"refuse": True}, marks=pytest.mark.slow),
    ],
    ids=str,
)
async def test_a_slow_or_unreachable_redis_is_bypassed(cached: Cached, user: Account, fault: dict[str, Any]) -> None:
    path = await upload(cached.client, user)
    for _ in range(2):
        assert (await cached.client.get(path)).status_code == 200
    cached.proxy.set(**fault)
    started = time.monotonic()
    # Repeat until the connection is marked down. Each request succeeds.
    async with asyncio.timeout(30):
        while not await cached.is_disconnected():
            assert (await cached.client.get(path)).status_code == 200
    assert not await cached.metric("enabled_workers")
    name = f"{uuid.uuid4().hex}.png"
    await patch(cached.client, user, path, name=name)
    assert (await cached.client.get(path)).json()["name"] == name
    assert time.monotonic() - started < 25
    cached.proxy.set()
    await cached.wait_until(is_usable=True)
    assert not await cached.is_disconnected()
    assert (await cached.client.get(path)).json()["name"] == name


async def test_an_older_snapshot_of_redis_is_not_used(
    cached: Cached, user: Account, own_redis: OwnRedis, own_client: Redis
) -> None:
    path = await upload(cached.client, user)
    async with asyncio.timeout(30):
        while not await own_client.keys("cache:*response:*"):
            await cached.client.get(path)
    await own_redis.run("SAVE")
    name = f"{uuid.uuid4().hex}.png"
    await patch(cached.client, user, path, name=name)
    own_redis.kill()
    await own_redis.revive()
    await own_client.connection_pool.disconnect()
    assert await own_client.keys("cache:*response:*")
    hits = await cached.metric("hits_total")
    # Until the responses come from the cache again.
    async with asyncio.timeout(60):
        while await cached.metric("hits_total") < hits + 3:
            assert (await cached.client.get(path)).json()["name"] == name


async def test_an_idle_worker_does_not_disable_the_cache_after_a_restart_of_redis(
    serve: Serve, user: Account, own_redis: OwnRedis
) -> None:
    async with serve() as idle, serve() as active:
        path = await upload(active.client, user)
        own_redis.kill()
        await own_redis.revive()
        # Only this worker notices the restart.
        await active.client.get(path)
        hits = await active.metric("hits_total")
        async with asyncio.timeout(30):
            while await active.metric("hits_total") < hits + 3:
                assert (await active.client.get(path)).status_code == 200
        await idle.wait_until(is_usable=True)


async def test_a_clock_that_is_set_back_does_not_disable_the_cache(cached: Cached, sql: asyncpg.Connection) -> None:
    """The row then disables the cache until a time that the clock reaches in an hour."""
    epoch = await sql.fetchval(
        "UPDATE cache_state SET epoch = epoch + 1, usable_from = clock_timestamp() + interval '1 hour' RETURNING epoch"
    )
    async with asyncio.timeout(30):
        while await sql.fetchval("SELECT epoch FROM cache_state") == epoch:
            await asyncio.sleep(0.05)
    await cached.wait_until(is_usable=True)


async def test_a_worker_that_cannot_invalidate_disables_the_cache_for_all(serve: Serve, user: Account) -> None:
    async with serve() as disconnected, serve() as other:
        path = await upload(other.client, user)
        for _ in range(2):
            assert (await other.client.get(path)).status_code == 200
        disconnected.proxy.set(refuse=True)
        name = f"{uuid.uuid4().hex}.png"
        await patch(disconnected.client, user, path, name=name)
        assert (await other.client.get(path)).json()["name"] == name
        await other.wait_until(is_usable=False)
        disconnected.proxy.set()
        await other.wait_until(is_usable=True)
        assert (await other.client.get(path)).json()["name"] == name


async def test_a_write_without_scopes_invalidates_everything(
    cached: Cached, user: Account, admin: Account, sql: asyncpg.Connection
) -> None:
    path = await upload(cached.client, user, tags="cat")
    assert (await cached.client.get(path)).json()["tags"] == ["cat"]
    renamed = await cached.client.patch("/v1/tags/cat", json={"name": "feline"}, headers=admin.client.headers)
    assert renamed.status_code == 200
    assert (await cached.client.get(path)).json()["tags"] == ["feline"]
    assert (await cached.client.delete("/v1/users/me", headers=user.client.headers)).status_code == 204
    assert (await cached.client.get(path)).json()["uploaded_by"] is None
    assert await sql.fetchval("SELECT epoch FROM cache_state") is not None


async def test_pages_that_depend_on_the_clock_are_not_cached(cached: Cached, user: Account) -> None:
    await upload(cached.client, user)
    hits = await cached.metric("hits_total")
    for _ in range(2):
        response = await cached.client.get("/v1/images", params={"q": "date:today"})
        assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    assert await cached.metric("hits_total") == hits


async def test_responses_are_the_same_without_the_cache(serve: Serve, user: Account) -> None:
    async with serve(cache_enabled=False) as uncached:
        path = await upload(uncached.client, user)
        etag = (await uncached.client.get(path)).headers["etag"]
        assert (await uncached.client.get(path, headers={"If-None-Match": etag})).status_code == 304
