"""Social login against a real OpenID Connect provider, honest and hostile."""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.support.accounts import PASSWORD, Account
from tests.support.server import RunningService
from tests.users.conftest import CALLBACK
from tests.users.forged_tokens import hs256, unsigned
from tests.users.openid_server import CLIENT_SECRET, Claims, OpenIdServer

pytestmark = pytest.mark.integration

STRANGER = RSAKey.generate_key(2048, {"kid": "first"})
MakeAccount = Callable[..., Awaitable[Account]]


async def depart(browser: httpx.AsyncClient, **options: Any) -> str:
    """Start a login and let the provider send the browser back; return the path it comes back to."""
    started = await browser.get("/v1/auth/social/local", **options)
    assert started.status_code == 302, started.text
    async with httpx.AsyncClient() as outside:
        back = await outside.get(started.headers["location"])
    return back.headers["location"].removeprefix("http://127.0.0.1:8000")


async def sign_in(browser: httpx.AsyncClient, **options: Any) -> httpx.Response:
    return await browser.get(await depart(browser, **options))


async def me(browser: httpx.AsyncClient, tokens: httpx.Response) -> dict[str, Any]:
    assert tokens.status_code == 200, tokens.text
    headers = {"Authorization": f"Bearer {tokens.json()['access_token']}"}
    account: dict[str, Any] = (await browser.get("/v1/users/me", headers=headers)).json()
    return account


def refused(response: httpx.Response) -> None:
    assert (response.status_code, response.json()["type"]) == (400, "/problems/social-login-failed"), response.text


async def test_the_providers_are_listed(browser: httpx.AsyncClient) -> None:
    items = (await browser.get("/v1/auth/social")).json()["items"]
    assert {"name": "local", "authorize_url": "/v1/auth/social/local"} in items


async def test_a_login_makes_an_account_and_the_next_one_finds_it(
    browser: httpx.AsyncClient, provider: OpenIdServer, sql: asyncpg.Connection
) -> None:
    provider.behaviour.access_token = secrets.token_urlsafe()
    tokens = await sign_in(browser)
    first = await me(browser, tokens)
    assert (first["email"], first["providers"], first["has_password"]) == ("ada@example.com", ["local"], False)
    assert tokens.headers["cache-control"] == "no-store"
    row = await sql.fetchrow("SELECT token, expire_at - now() AS rest FROM users")
    assert row["token"] == hashlib.sha256(provider.behaviour.access_token.encode()).hexdigest()
    assert 3500 < row["rest"].total_seconds() <= 3600

    provider.behaviour.access_token = None
    provider.behaviour.email, provider.behaviour.email_verified = "changed@example.com", False
    assert (await me(browser, await sign_in(browser)))["id"] == first["id"]


async def test_the_redirect_is_bound_to_browser_nonce_and_pkce(
    browser: httpx.AsyncClient, provider: OpenIdServer
) -> None:
    started = await browser.get("/v1/auth/social/local")
    query = parse_qs(urlsplit(started.headers["location"]).query)
    assert query["redirect_uri"] == [provider.redirect_uri]
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["state"][0]) >= 43
    assert len(query["nonce"][0]) >= 43
    cookie = started.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=lax", "path=/v1/auth/social")), cookie
    assert query["state"][0] not in started.headers["set-cookie"]


async def test_two_first_logins_at_once_make_one_account(
    browser: httpx.AsyncClient, social_service: RunningService, sql: asyncpg.Connection
) -> None:
    async def whole() -> httpx.Response:
        async with httpx.AsyncClient(base_url=social_service.url) as own:
            return await sign_in(own)

    assert (await browser.get("/v1/auth/social/local")).status_code == 302  # discovery is known to all of them
    responses = await asyncio.gather(*(whole() for _ in range(4)))
    assert [one.status_code for one in responses] == [200] * 4, [one.text for one in responses]
    assert await sql.fetchval("SELECT count(*) FROM users") == 1


async def test_an_email_in_userinfo_only_is_found(browser: httpx.AsyncClient, provider: OpenIdServer) -> None:
    provider.behaviour.claims_in_userinfo = True
    assert (await me(browser, await sign_in(browser)))["email"] == "ada@example.com"


async def test_a_rotated_key_is_fetched_by_its_id(browser: httpx.AsyncClient, provider: OpenIdServer) -> None:
    assert (await sign_in(browser)).status_code == 200
    before = provider.key_set_requests
    assert (await sign_in(browser)).status_code == 200
    assert provider.key_set_requests == before
    provider.rotate_key()
    assert (await sign_in(browser)).status_code == 200
    assert provider.key_set_requests == before + 1


def with_header_key(claims: Claims) -> str:
    header = {"alg": "RS256", "kid": "first", "jwk": STRANGER.as_dict(private=False)}
    return jwt.encode(header, claims, STRANGER)


HOSTILE_CLAIMS: dict[str, Callable[[Claims], Claims]] = {
    "wrong nonce": lambda c: {**c, "nonce": "another"},
    "no nonce": lambda c: {k: v for k, v in c.items() if k != "nonce"},
    "wrong audience": lambda c: {**c, "aud": "another-client"},
    "several audiences without azp": lambda c: {**c, "aud": [c["aud"], "another"]},
    "azp of another": lambda c: {**c, "azp": "another"},
    "wrong issuer": lambda c: {**c, "iss": "https://accounts.google.com"},
    "expired": lambda c: {**c, "exp": int(time.time()) - 120},
    "issued in the future": lambda c: {**c, "iat": int(time.time()) + 3600},
    "exp is text": lambda c: {**c, "exp": "tomorrow"},
    "no exp": lambda c: {k: v for k, v in c.items() if k != "exp"},
    "no subject": lambda c: {k: v for k, v in c.items() if k != "sub"},
    "empty subject": lambda c: {**c, "sub": ""},
    "subject is a number": lambda c: {**c, "sub": 7},
    "subject with NUL": lambda c: {**c, "sub": "a\0b"},
    "unverified e-mail": lambda c: {**c, "email_verified": False},
    "verified as text": lambda c: {**c, "email_verified": "true"},
    "e-mail is no address": lambda c: {**c, "email": "nobody"},
    "e-mail is a list": lambda c: {**c, "email": ["ada@example.com"]},
}


@pytest.mark.parametrize("case", HOSTILE_CLAIMS)
async def test_hostile_claims_are_refused(
    browser: httpx.AsyncClient, provider: OpenIdServer, sql: asyncpg.Connection, case: str
) -> None:
    provider.behaviour.twist = HOSTILE_CLAIMS[case]
    refused(await sign_in(browser))
    assert await sql.fetchval("SELECT count(*) FROM users") == 0


FORGERIES: dict[str, Callable[[Claims, OpenIdServer], str]] = {
    "another key": lambda c, _p: jwt.encode({"alg": "RS256", "kid": "first"}, c, STRANGER),
    "alg none": lambda c, _p: unsigned({"alg": "none"}, c),
    "HS256 with the public key": lambda c, p: hs256({"alg": "HS256", "kid": "first"}, c, p.key.as_pem(private=False)),
    "HS256 with the client's secret": lambda c, _p: hs256({"alg": "HS256"}, c, CLIENT_SECRET.encode()),
    "a key in its own header": lambda c, _p: with_header_key(c),
    "an unknown key id": lambda c, _p: jwt.encode({"alg": "RS256", "kid": "x"}, c, STRANGER),
    "no token": lambda _c, _p: "",
    "garbage": lambda _c, _p: "a.b.c",
}


@pytest.mark.parametrize("case", FORGERIES)
async def test_forged_id_tokens_are_refused(
    browser: httpx.AsyncClient, provider: OpenIdServer, sql: asyncpg.Connection, case: str
) -> None:
    provider.behaviour.forge = lambda claims: FORGERIES[case](claims, provider)
    refused(await sign_in(browser))
    assert await sql.fetchval("SELECT count(*) FROM users") == 0


async def test_states_are_bound_to_the_browser_and_used_once(
    browser: httpx.AsyncClient, social_service: RunningService
) -> None:
    back = await depart(browser)
    cookies = dict(browser.cookies)
    async with httpx.AsyncClient(base_url=social_service.url) as victim:
        refused(await victim.get(back))
        await victim.get("/v1/auth/social/local")
        refused(await victim.get(back))
    forged = back.replace("state=", "state=x")
    refused(await browser.get(forged))
    assert (await browser.get(back)).status_code == 200
    async with httpx.AsyncClient(base_url=social_service.url, cookies=cookies) as again:
        refused(await again.get(back))


async def test_f61_logins_in_several_tabs_all_end(browser: httpx.AsyncClient, sql: asyncpg.Connection) -> None:
    tabs = [await depart(browser) for _ in range(3)]
    for back in tabs:
        assert (await browser.get(back)).status_code == 200
    assert await sql.fetchval("SELECT count(*) FROM oauth_flows") == 0
    refused(await browser.get(tabs[0]))


@pytest.mark.parametrize("cookie", ["", "x", "x" * 4000, "ä" * 43, '"' + "x" * 43 + '"', "x" * 42 + "."])
async def test_f61_a_made_up_browser_token_is_replaced(browser: httpx.AsyncClient, cookie: str) -> None:
    headers = {b"Cookie": f"imts_social={cookie}".encode()}
    started = await browser.get("/v1/auth/social/local", headers=headers)
    assert (started.status_code, started.cookies["imts_social"] == cookie) == (302, False)
    refused(await browser.get(CALLBACK, params={"state": "x", "code": "x"}, headers=headers))


async def test_replayed_and_foreign_codes_are_refused(browser: httpx.AsyncClient, provider: OpenIdServer) -> None:
    used = parse_qs(urlsplit(await depart(browser)).query)["code"][0]
    provider.codes.pop(used)
    fresh = parse_qs(urlsplit(await depart(browser)).query)
    refused(await browser.get(CALLBACK, params={"state": fresh["state"][0], "code": used}))
    # A code of another login: the provider's PKCE check refuses the verifier of this one.
    other = parse_qs(urlsplit(await depart(browser)).query)["code"][0]
    mine = parse_qs(urlsplit(await depart(browser)).query)
    refused(await browser.get(CALLBACK, params={"state": mine["state"][0], "code": other}))


async def test_other_refusals(browser: httpx.AsyncClient, provider: OpenIdServer, sql: asyncpg.Connection) -> None:
    provider.behaviour.deny = True
    refused(await sign_in(browser))
    provider.reset()
    provider.behaviour.token_status = 400
    refused(await sign_in(browser))
    provider.reset()
    back = await depart(browser)
    refused(await browser.get(back.replace("iss=http", "iss=xttp")))
    back = await depart(browser)
    await sql.execute("UPDATE oauth_flows SET expires_at = now() - interval '1 second'")
    refused(await browser.get(back))
    refused(await browser.get(CALLBACK))
    assert (await browser.get(f"{CALLBACK}?state=%00&code=%ED%A0%80")).status_code in (400, 422)
    provider.behaviour.claims_in_userinfo, provider.behaviour.userinfo_subject = True, "somebody else"
    refused(await sign_in(browser))


async def test_one_provider_token_serves_one_account(browser: httpx.AsyncClient, provider: OpenIdServer) -> None:
    provider.behaviour.access_token = secrets.token_urlsafe()
    assert (await sign_in(browser)).status_code == 200
    provider.behaviour.subject, provider.behaviour.email = "subject-2", "eve@example.com"
    refused(await sign_in(browser))


async def test_a_squatter_gains_nothing(
    browser: httpx.AsyncClient, make_account: MakeAccount, sql: asyncpg.Connection
) -> None:
    squatter = await make_account("ada@example.com")
    refused(await sign_in(browser))
    assert await sql.fetchval("SELECT count(*) FROM social_identities") == 0
    assert (await squatter.client.get("/v1/users/me")).json()["providers"] == []


async def test_an_account_that_proved_its_address_is_found_by_it(
    browser: httpx.AsyncClient, provider: OpenIdServer
) -> None:
    first = await me(browser, await sign_in(browser))
    provider.behaviour.subject = "another identity of the same person"
    assert (await me(browser, await sign_in(browser)))["id"] == first["id"]


async def test_a_changed_address_is_no_longer_proven(
    browser: httpx.AsyncClient, provider: OpenIdServer, sql: asyncpg.Connection
) -> None:
    provider.behaviour.email = "eve@example.com"
    tokens = (await sign_in(browser)).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    moved = await browser.patch("/v1/users/me", json={"email": "ada@example.com"}, headers=headers)
    assert moved.status_code == 200, moved.text
    provider.behaviour.subject, provider.behaviour.email = "the real Ada", "ada@example.com"
    refused(await sign_in(browser))
    assert await sql.fetchval("SELECT count(*) FROM social_identities") == 1


async def test_a_signed_in_user_links_an_identity(browser: httpx.AsyncClient, make_account: MakeAccount) -> None:
    account, other = await make_account("grace@example.com"), await make_account()
    mine = {"Authorization": f"Bearer {account.access_token}"}
    linked = await me(browser, await sign_in(browser, headers=mine))
    assert (linked["id"], linked["providers"], linked["has_password"]) == (str(account.id), ["local"], True)
    assert (await me(browser, await sign_in(browser)))["id"] == str(account.id)
    theirs = {"Authorization": f"Bearer {other.access_token}"}
    refused(await sign_in(browser, headers=theirs))
    back = await depart(browser, headers=mine)
    await account.client.post("/v1/auth/logout")
    refused(await browser.get(back))


async def test_a_page_links_an_identity_though_its_browser_sends_no_token(
    browser: httpx.AsyncClient, make_account: MakeAccount
) -> None:
    account = await make_account("grace@example.com")
    headers = {"Authorization": f"Bearer {account.access_token}", "Accept": "application/json, text/plain, */*"}
    redirect = await browser.get("/v1/auth/social/local", headers=headers)
    assert (redirect.status_code, redirect.headers["cache-control"], redirect.headers["vary"]) == (
        200,
        "no-store",
        "Accept",
    )
    async with httpx.AsyncClient() as outside:
        back = await outside.get(redirect.json()["authorize_url"])
    # Only its cookies give it access.
    linked = await me(browser, await browser.get(back.headers["location"].removeprefix("http://127.0.0.1:8000")))
    assert (linked["id"], linked["providers"]) == (str(account.id), ["local"])
    navigation = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    assert (await browser.get("/v1/auth/social/local", headers=navigation)).status_code == 302


async def test_an_account_without_password_sets_one_soon_after_signing_in(
    browser: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    tokens = (await sign_in(browser)).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    await sql.execute("UPDATE user_sessions SET created_at = now() - interval '11 minutes'")
    late = await browser.patch("/v1/users/me", json={"password": PASSWORD}, headers=headers)
    assert late.json()["type"] == "/problems/recent-sign-in-required"
    await sql.execute("UPDATE user_sessions SET created_at = now()")
    done = await browser.patch("/v1/users/me", json={"password": PASSWORD}, headers=headers)
    assert done.json()["has_password"] is True


async def test_a_provider_that_is_down_is_503_and_passwords_still_work(
    browser: httpx.AsyncClient, provider: OpenIdServer, make_account: MakeAccount
) -> None:
    account = await make_account()

    async def unavailable(path: str) -> None:
        began = time.monotonic()
        response = await browser.get(path)
        assert (response.status_code, response.json()["type"]) == (503, "/problems/identity-provider-unavailable")
        assert response.headers["retry-after"]
        assert time.monotonic() - began < 15

    await unavailable("/v1/auth/social/down")
    back = await depart(browser)
    provider.behaviour.token_status = 502
    await unavailable(back)
    provider.behaviour.token_status = 200
    back = await depart(browser)
    provider.behaviour.hang = True
    form = {"grant_type": "password", "username": account.email, "password": PASSWORD}
    tokens, _ = await asyncio.gather(browser.post("/v1/auth/token", data=form), unavailable(back))
    assert tokens.status_code == 200
