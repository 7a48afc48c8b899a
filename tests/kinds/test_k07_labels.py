"""K7: text that clients invent becomes neither a cache key nor a label of the metrics.

Every path of the OpenAPI document is requested with invented parameters, methods, path segments and headers. A second
round with other inventions adds no key and no label.
"""

import asyncio
import re
import uuid
from collections.abc import Iterator

import httpx
import pytest
from redis.asyncio import Redis

from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.server import RunningService

pytestmark = pytest.mark.integration

INVENTED = 100
METHODS = ("GET", "PUT", "PROPFIND", "TRACE")


@pytest.fixture
def paths(running: RunningService) -> list[str]:
    """The paths of all operations."""
    return sorted(running.app.openapi()["paths"])


def invent(paths: list[str], seed: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield method, path and headers of requests with invented parts."""
    for number in range(INVENTED):
        word = f"{seed}{number}"
        path = re.sub(r"{[^}]+}", word, paths[number % len(paths)])
        yield "GET", f"/v1/images?{word}=1", {}
        yield "GET", f"/v1/tags?prefix=c&{word}={word}", {}
        yield METHODS[number % len(METHODS)], path, {f"X-{word}": word}
        yield f"{seed}{number % 5}".upper(), path, {}
        yield "GET", f"/{word}", {"User-Agent": word}


async def send_all(client: httpx.AsyncClient, requests: Iterator[tuple[str, str, dict[str, str]]]) -> None:
    async def work() -> None:
        for method, path, headers in requests:
            response = await client.request(method, path, headers=headers)
            assert response.status_code != 500, (method, path)

    await asyncio.gather(*(work() for _ in range(8)))


async def series(client: httpx.AsyncClient) -> set[str]:
    text = (await client.get("/metrics")).text
    return {line.rpartition(" ")[0] for line in text.splitlines() if line.startswith("imts_http_requests_total")}


async def test_k7_f85_inventions_add_neither_cache_keys_nor_series(
    client: httpx.AsyncClient, user: Account, paths: list[str], redis_url: str
) -> None:
    assert (await user.client.post("/v1/images", files={"image": ("a.png", png())}, data={"tags": "cat"})).is_success
    assert len(paths) <= INVENTED, "some paths would get no request"
    redis = Redis.from_url(redis_url)
    await client.get("/v1/tags", params={"prefix": "c"})
    await send_all(client, invent(paths, "first"))
    await until_settled(client)
    known, keys = await series(client), await redis.dbsize()
    await send_all(client, invent(paths, "second"))
    await until_settled(client)
    assert await series(client) - known == set()
    # Scopes may have been renewed, never multiplied.
    assert await redis.dbsize() <= keys + 2
    await redis.aclose()
    refused = [line for line in known if "method-not-allowed" in line]
    assert refused == ['imts_http_requests_total{method="OTHER",route="method-not-allowed",status_class="4xx"}']
    assert len([line for line in known if 'route="unmatched",status_class="4xx"' in line]) == 1


async def until_settled(client: httpx.AsyncClient) -> None:
    """Wait until the earlier requests are in the metrics: a new request is counted after them."""
    marker = f"/{uuid.uuid4().hex}"

    async def unmatched() -> int:
        text = (await client.get("/metrics")).text
        found = re.search(r'requests_total{method="OTHER",route="unmatched",status_class="4xx"} (\d+)', text)
        return int(found[1]) if found else 0

    before = await unmatched()
    await client.get(marker)
    async with asyncio.timeout(30):
        while await unmatched() <= before:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("q=cat&limit=5", "limit=5&q=cat"),
        ("q=c%61t", "q=cat"),
        ("q=a+b&sort=name&limit=1", "limit=1&sort=name&q=a%20b"),
    ],
)
async def test_f11_one_answer_has_one_cache_key(
    client: httpx.AsyncClient, redis_url: str, one: str, other: str
) -> None:
    redis = Redis.from_url(redis_url)
    await client.get(f"/v1/images?{one}")
    async with asyncio.timeout(30):
        while not (keys := await responses(redis)):
            await client.get(f"/v1/images?{one}")
    assert (await client.get(f"/v1/images?{other}")).status_code == 200
    assert await responses(redis) == keys
    await redis.aclose()


@pytest.mark.parametrize("query", ["x=1", "q=cat&q=dog", "limit=5&limit=5", "q=cat&limti=1"])
async def test_f11_a_query_that_is_refused_is_not_answered_from_the_cache(
    client: httpx.AsyncClient, query: str
) -> None:
    for known in ("", "q=cat", "q=dog", "limit=5"):
        assert (await client.get(f"/v1/images?{known}")).status_code == 200
    assert (await client.get(f"/v1/images?{query}")).status_code == 422


async def responses(redis: Redis) -> set[str]:
    return {str(key) for key in await redis.keys() if "response:" in str(key)}
