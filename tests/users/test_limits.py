"""Limits on sign-in, sign-up and refresh, with Redis and without it."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest

from app.core.callers import rate_limit_network
from app.core.passwords import PasswordHasher
from app.core.settings import Settings
from tests.support.accounts import PASSWORD, Account
from tests.support.server import running_service
from tests.support.server_fixtures import UNLIMITED

WRONG = "a wrong guess"
NO_REDIS = "redis://127.0.0.1:9/0"


@pytest.fixture
def limited(
    settings: Settings,
    make_settings: Callable[..., Settings],
    sql: asyncpg.Connection,  # noqa: ARG001
) -> Callable[..., Settings]:
    """Settings on this worker's database with limits; a secret of their own keeps the counts of other tests apart."""

    def make(**limits: object) -> Settings:
        database_url = settings.database_url.get_secret_value()
        return make_settings(database_url=database_url, jwt_secret=uuid.uuid4().hex * 2, **limits)

    return make


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with running_service(settings) as service, httpx.AsyncClient(base_url=service.url) as client:
        yield client


async def guess(
    client: httpx.AsyncClient, email: str, password: str = WRONG, address: str = "192.0.2.1"
) -> httpx.Response:
    form = {"grant_type": "password", "username": email, "password": password}
    return await client.post("/v1/auth/token", data=form, headers={"X-Forwarded-For": address})


async def signed_in(client: httpx.AsyncClient, account: Account) -> dict[str, str]:
    """Sign in at a service with a secret of its own."""
    tokens = (await guess(client, account.email, PASSWORD)).json()
    return {"Authorization": f"Bearer {tokens['access_token']}"}


@pytest.mark.parametrize("redis", [{}, {"redis_url": NO_REDIS}], ids=["with Redis", "without Redis"])
async def test_guesses_at_an_account_are_limited(
    limited: Callable[..., Settings], user: Account, redis: dict[str, str]
) -> None:
    async with serving(limited(login_limits=UNLIMITED | {"account": "3/minute"}, **redis)) as client:
        responses = [await guess(client, user.email) for _ in range(4)]
        assert [one.status_code for one in responses] == [401, 401, 401, 429]
        assert responses[-1].json()["type"] == "/problems/too-many-requests"
        # Three a minute: the next attempt is 20 s away, which is all that the owner can be held up.
        assert 1 <= int(responses[-1].headers["retry-after"]) <= 20
        assert (await guess(client, "someone.else@example.com")).status_code == 401


async def test_parallel_guesses_do_not_slip_through(limited: Callable[..., Settings], user: Account) -> None:
    async with serving(limited(login_limits=UNLIMITED | {"account": "3/minute"})) as client:
        responses = await asyncio.gather(*(guess(client, user.email) for _ in range(12)))
        assert sorted(one.status_code for one in responses) == [401] * 3 + [429] * 9


async def test_an_unknown_address_has_the_same_limit(limited: Callable[..., Settings]) -> None:
    async with serving(limited(login_limits=UNLIMITED | {"account": "2/minute"})) as client:
        responses = [(await guess(client, "nobody@example.com")).status_code for _ in range(3)]
        assert responses == [401, 401, 429]


async def test_two_workers_count_together(limited: Callable[..., Settings], user: Account) -> None:
    settings = limited(login_limits=UNLIMITED | {"account": "2/minute"})
    async with serving(settings) as one, serving(settings) as another:
        responses = [(await guess(client, user.email)).status_code for client in (one, another, one, another)]
        assert responses == [401, 401, 429, 429]


async def test_a_successful_sign_in_is_not_charged(limited: Callable[..., Settings], user: Account) -> None:
    settings = limited(login_limits=dict.fromkeys(("account", "address", "total"), "1/hour"))
    async with serving(settings) as client:
        responses = [(await guess(client, user.email, PASSWORD)).status_code for _ in range(3)]
        assert responses == [200, 200, 200]


@pytest.mark.parametrize(
    ("before", "now"),
    [("198.51.100.7", "198.51.100.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:aaaa:bbbb:cccc:dddd")],
    ids=["IPv4", "IPv6 with privacy extensions"],
)
async def test_guesses_from_another_network_do_not_lock_the_owner_out(
    limited: Callable[..., Settings], user: Account, before: str, now: str
) -> None:
    limits = UNLIMITED | {"account": "2/hour"}
    async with serving(limited(login_limits=limits, trusted_proxies=["127.0.0.1"])) as client:
        assert (await guess(client, user.email, PASSWORD, before)).status_code == 200
        attacks = [(await guess(client, user.email, address=f"203.0.113.{n}")).status_code for n in range(4)]
        assert attacks == [401, 401, 429, 429]
        assert (await guess(client, user.email, PASSWORD, now)).status_code == 200
        # Counted apart, but counted.
        own = [(await guess(client, user.email, address=now)).status_code for _ in range(3)]
        assert own == [401, 401, 429]


async def test_an_address_and_all_together_are_limited(limited: Callable[..., Settings]) -> None:
    limits = {"account": "9/hour", "address": "2/hour", "total": "3/hour"}
    async with serving(limited(login_limits=limits, trusted_proxies=["127.0.0.1"])) as client:
        responses = [
            (await guess(client, f"{n}@example.com", address=address)).status_code
            for n, address in enumerate(("192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"))
        ]
        assert responses == [401, 401, 429, 401, 429]


async def test_forwarded_addresses_count_from_configured_proxies_only(limited: Callable[..., Settings]) -> None:
    limits = UNLIMITED | {"address": "2/hour"}
    async with serving(limited(login_limits=limits)) as client:
        responses = [(await guess(client, f"{n}@example.com", address=f"192.0.2.{n}")).status_code for n in range(3)]
        assert responses == [401, 401, 429]
    async with serving(limited(login_limits=limits, trusted_proxies=["127.0.0.0/8"])) as client:
        # Entries that the client put before the proxy's own are ignored.
        spoofed = [
            (await guess(client, f"{n}@example.com", address=f"10.0.0.{n}, 192.0.2.9")).status_code for n in range(3)
        ]
        assert spoofed == [401, 401, 429]


async def test_sign_up_and_refresh_are_limited(limited: Callable[..., Settings]) -> None:
    limits = {"account": "9/hour", "address": "2/hour", "total": "9/hour"}
    async with serving(limited(sign_up_limits=limits, refresh_limits=limits)) as client:
        bodies = [{"email": f"{n}@example.com", "password": PASSWORD} for n in range(3)]
        assert [(await client.post("/v1/users", json=body)).status_code for body in bodies] == [201, 201, 429]
        form = {"grant_type": "refresh_token", "refresh_token": "made.up.token"}
        responses = [(await client.post("/v1/auth/token", data=form)).status_code for _ in range(3)]
        assert responses == [401, 401, 429]


async def test_guessing_the_current_password_is_limited(limited: Callable[..., Settings], user: Account) -> None:
    async with serving(limited(login_limits=UNLIMITED | {"account": "2/hour"})) as client:
        tokens = (await guess(client, user.email, PASSWORD)).json()
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        body = {"current_password": "a wrong guess"}
        responses = [(await client.patch("/v1/users/me", json=body, headers=headers)).status_code for _ in range(3)]
        assert responses == [403, 403, 429]


@pytest.mark.usefixtures("full_password_cost")
async def test_a_refused_sign_in_hashes_nothing(limited: Callable[..., Settings], user: Account) -> None:
    hasher = PasswordHasher()
    started = time.process_time()
    await hasher.hash(PASSWORD)
    one_hash = time.process_time() - started
    await hasher.close()
    async with serving(limited(login_limits=UNLIMITED | {"account": "1/hour"})) as client:
        headers = await signed_in(client, user)
        body = {"current_password": WRONG, "password": "an entirely new one"}
        assert (await client.patch("/v1/users/me", json=body, headers=headers)).status_code == 403
        started = time.process_time()
        refused = {(await client.patch("/v1/users/me", json=body, headers=headers)).status_code for _ in range(20)}
        assert refused == {429}
        assert time.process_time() - started < 8 * one_hash


@pytest.mark.parametrize("redis", [{}, {"redis_url": NO_REDIS}], ids=["with Redis", "without Redis"])
async def test_the_remaining_quota_is_reported(
    limited: Callable[..., Settings], user: Account, redis: dict[str, str]
) -> None:
    async with serving(limited(login_limits=UNLIMITED | {"account": "3/minute"}, **redis)) as client:
        responses = [await guess(client, user.email) for _ in range(4)]
        headers = [{name: one.headers[f"ratelimit-{name}"] for name in ("limit", "remaining")} for one in responses]
        assert headers == [{"limit": "3", "remaining": left} for left in ("2", "1", "0", "0")]
        assert {one.headers["ratelimit-policy"] for one in responses} == {'"login";q=3;w=60'}
        resets = [int(one.headers["ratelimit-reset"]) for one in responses]
        assert 0 < resets[0] < resets[1] < resets[2] <= 60
        assert "ratelimit-limit" not in (await client.get("/healthz")).headers


@pytest.mark.parametrize("redis", [{}, {"redis_url": NO_REDIS}], ids=["with Redis", "without Redis"])
async def test_f79_every_response_of_a_limited_endpoint_has_the_fields_of_draft_10(
    limited: Callable[..., Settings], redis: dict[str, str]
) -> None:
    limits = {"search_limits": UNLIMITED | {"address": "2/hour"}, "cache_enabled": False}
    async with serving(limited(**limits, **redis)) as client:
        responses = [await client.get("/v1/images?q=pc") for _ in range(4)]
    assert [one.status_code for one in responses] == [200, 200, 429, 429]
    assert {one.headers["ratelimit-policy"] for one in responses} == {'"search";q=2;w=3600'}
    for response, rest in zip(responses, "1000", strict=True):
        reset = response.headers["ratelimit-reset"]
        assert response.headers["ratelimit"] == f'"search";r={rest};t={reset}'
        assert response.headers["ratelimit-remaining"] == rest
        assert 0 < int(reset) <= 3600


async def test_f79_endpoints_without_a_limit_declare_no_fields(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    declared = document["paths"]["/v1/tags/{name}"]["get"]["responses"]["200"]["headers"]
    assert not [name for name in declared if name.startswith("RateLimit")]
    assert "ratelimit" not in (await client.get("/v1/tags/pc")).headers
    assert "RateLimit" in document["paths"]["/v1/images"]["get"]["responses"]["200"]["headers"]


async def test_uploads_are_limited_before_they_are_read(
    limited: Callable[..., Settings], user: Account, photo: bytes
) -> None:
    async with serving(limited(upload_limits=UNLIMITED | {"account": "2/hour"})) as client:
        headers = await signed_in(client, user)
        responses = [
            await client.post("/v1/images", files={"image": (f"{number}.png", photo)}, headers=headers, timeout=30)
            for number in range(3)
        ]
        assert [one.status_code for one in responses] == [201, 201, 429]
        assert [one.headers["ratelimit-remaining"] for one in responses] == ["1", "0", "0"]
        assert (await client.post("/v1/images", files={"image": ("x.png", photo)})).status_code == 401


async def test_searches_are_limited_by_address_and_by_account(limited: Callable[..., Settings], user: Account) -> None:
    limits = UNLIMITED | {"address": "4/hour", "account": "2/hour"}
    async with serving(limited(search_limits=limits, cache_enabled=False)) as client:
        headers = await signed_in(client, user)
        own = [(await client.get("/v1/images", headers=headers)) for _ in range(3)]
        assert [one.status_code for one in own] == [200, 200, 429]
        assert [one.headers["ratelimit-limit"] for one in own] == ["2"] * 3
        anybody = [(await client.get("/v1/images")).status_code for _ in range(3)]
        assert anybody == [200, 200, 429]


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        (None, "unknown"),
        ("a' OR 1=1", "unknown"),
    ],
)
def test_networks_that_count_as_one_address(address: str | None, counted_as: str) -> None:
    assert rate_limit_network(address) == counted_as
