"""E-mail addresses: which are accepted, and which are the same."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import httpx
import pytest

from app.core.settings import Settings
from app.core.text.email_addresses import email_key
from app.users.accounts.email import account_name, normalize_email
from tests.cli.test_create_admin import create_admin
from tests.support.accounts import PASSWORD, Account
from tests.users.openid_server import OpenIdServer
from tests.users.test_accounts import sign_in, sign_up, slug
from tests.users.test_social import sign_in as sign_in_at_provider

pytestmark = pytest.mark.integration

SPELLINGS = ("Ada@example.com", "ada@example.com", "ADA@EXAMPLE.COM", "\uff41da@example.com", "ada@\uff45xample.com")
VALID = [
    *("me@nas.local", "me@host.home.arpa", "me@box.test", "me@localhost", "me@b", "me@hidden.onion", "me@x.invalid"),
    *("o'brien+tag@example.com", "用户@例子.广告", '"a b"@example.com', "me@[192.0.2.1]", "me@[IPv6:2001:db8::1]"),
]
INVALID = ["me", "me@", "@x", "a b@x", "a..b@x", "me@-x", "me@x_y", "me@x..y", "Me <me@x>", "me@[300.1.1.1]", "a@b@c"]


async def test_f58_one_address_has_one_account_in_any_case(client: httpx.AsyncClient) -> None:
    assert (await sign_up(client, SPELLINGS[0])).status_code == 201
    responses = [await sign_in(client, spelling) for spelling in SPELLINGS]
    assert [one.status_code for one in responses] == [200] * len(SPELLINGS)
    for spelling in SPELLINGS[1:4]:
        assert slug(await sign_up(client, spelling)) == (409, "email-taken")


async def test_f58_one_of_many_spellings_wins_a_race(client: httpx.AsyncClient, sql: asyncpg.Connection) -> None:
    client.timeout = httpx.Timeout(60)
    responses = await asyncio.gather(*(sign_up(client, spelling) for spelling in SPELLINGS[:3]))
    assert sorted(one.status_code for one in responses) == [201, 409, 409]
    assert await sql.fetchval("SELECT count(*) FROM users") == 1


async def test_f58_a_change_of_address_goes_by_it(
    user: Account, make_account: Callable[..., Awaitable[Account]]
) -> None:
    await make_account("taken@example.com")
    body = {"email": "TAKEN@example.com", "current_password": PASSWORD}
    assert slug(await user.client.patch("/v1/users/me", json=body)) == (409, "email-taken")
    body["email"] = user.email.upper()
    changed = await user.client.patch("/v1/users/me", json=body)
    assert changed.json()["email"].partition("@")[0] == user.email.upper().partition("@")[0]


async def test_f58_the_admins_list_finds_any_spelling(
    admin: Account, make_account: Callable[..., Awaitable[Account]]
) -> None:
    made = await make_account("Ada@example.com")
    found = (await admin.client.get("/v1/users", params={"email": "aDA@example.com"})).json()["items"]
    assert [one["id"] for one in found] == [str(made.id)]


async def test_f58_create_admin_finds_any_spelling(
    settings: Settings, make_account: Callable[..., Awaitable[Account]], sql: asyncpg.Connection
) -> None:
    await make_account("Ada@example.com")
    ran = await create_admin(settings, "ADA@Example.com")
    assert (ran.returncode, "already exists" in ran.stderr) == (1, True)
    assert await sql.fetchval("SELECT count(*) FROM users") == 1


async def social_sign_in(
    browser: httpx.AsyncClient, provider: OpenIdServer, email: str, subject: str
) -> httpx.Response:
    provider.behaviour.email, provider.behaviour.subject = email, subject
    return await sign_in_at_provider(browser)


async def test_f58_a_social_login_finds_any_case_of_a_proven_address(
    browser: httpx.AsyncClient, provider: OpenIdServer, sql: asyncpg.Connection
) -> None:
    assert (await social_sign_in(browser, provider, "Ada@example.com", "one")).status_code == 200
    assert (await social_sign_in(browser, provider, "ada@EXAMPLE.com", "two")).status_code == 200
    assert await sql.fetchval("SELECT count(*) FROM users") == 1


async def test_f58_a_social_login_takes_no_account_by_a_look_alike(
    browser: httpx.AsyncClient, provider: OpenIdServer, sql: asyncpg.Connection
) -> None:
    assert (await social_sign_in(browser, provider, "fi@example.com", "one")).status_code == 200
    refused = await social_sign_in(browser, provider, "\ufb01@example.com", "two")
    assert slug(refused) == (400, "social-login-failed")
    assert await sql.fetchval("SELECT count(*) FROM social_identities") == 1


async def test_f58_guesses_are_counted_for_the_address_in_any_spelling() -> None:
    assert {account_name(spelling) for spelling in SPELLINGS} == {"ada@example.com"}
    assert account_name("NOBODY") == account_name("nobody")


@pytest.mark.parametrize("address", ["straße@x.de", "a@straße.de", "İ@x.de", "Σς@x.de", "\ufb01@x.de", "a\ufe0f@x.de"])
def test_f58_the_key_is_stable_and_leaves_domains_apart(address: str) -> None:
    key = email_key(normalize_email(address))
    assert email_key(key) == key
    assert email_key(normalize_email(address.partition("@")[0].upper() + "@x.de")) == email_key(
        normalize_email(address.partition("@")[0] + "@x.de")
    )
    assert email_key(normalize_email("a@strasse.de")) != email_key(normalize_email("a@straße.de"))


@pytest.mark.parametrize("address", VALID)
def test_f59_every_syntactically_valid_address_is_one(address: str) -> None:
    assert normalize_email(address) == address


@pytest.mark.parametrize("address", ["me@nas.local", "me@host.home.arpa", "me@box.test", "me@localhost"])
async def test_f59_every_syntactically_valid_address_is_accepted(client: httpx.AsyncClient, address: str) -> None:
    made = await sign_up(client, address)
    assert (made.status_code, made.json()["email"]) == (201, address)
    assert (await sign_in(client, address)).status_code == 200


@pytest.mark.parametrize("address", INVALID)
def test_f59_other_text_is_no_address(address: str) -> None:
    with pytest.raises(ValueError, match="must be an e-mail address"):
        normalize_email(address)


async def test_f59_a_provider_may_vouch_for_a_local_address(browser: httpx.AsyncClient, provider: OpenIdServer) -> None:
    assert (await social_sign_in(browser, provider, "me@nas.local", "one")).status_code == 200


@pytest.mark.parametrize("address", ["a@example.com\n", "\ta@example.com", "a@example.com\x85", "\x1fa@example.com"])
async def test_f95_control_characters_are_refused_before_trimming(client: httpx.AsyncClient, address: str) -> None:
    assert slug(await sign_up(client, address)) == (422, "validation-error")
    response = await client.get("/v1/users", params={"email": address})
    assert response.status_code in (401, 422)
    assert slug(await sign_in(client, address)) == (422, "validation-error")


@pytest.mark.parametrize("password", ["ada.lovelace@example.com", "Ada.Lovelace", "ADA.LOVELACE@EXAMPLE.COM"])
async def test_f62_the_address_is_no_password(
    client: httpx.AsyncClient, make_account: Callable[..., Awaitable[Account]], password: str
) -> None:
    refused = await sign_up(client, "Ada.Lovelace@example.com", password)
    assert slug(refused) == (422, "validation-error")
    assert refused.json()["errors"][0]["loc"] == ["body", "password"]
    assert password not in refused.text
    account = await make_account("ada.lovelace@example.com")
    change = {"password": password, "current_password": PASSWORD}
    assert slug(await account.client.patch("/v1/users/me", json=change)) == (422, "validation-error")


async def test_f62_admins_do_not_set_the_address_as_password(admin: Account, user: Account) -> None:
    refused = await admin.client.patch(f"/v1/users/{user.id}", json={"password": user.email.upper()})
    assert slug(refused) == (422, "validation-error")
    assert refused.json()["errors"][0]["loc"] == ["body", "password"]


async def test_f62_the_password_is_no_address(user: Account) -> None:
    change = {"password": "grace.hopper", "email": "grace.hopper@example.com", "current_password": PASSWORD}
    assert slug(await user.client.patch("/v1/users/me", json=change)) == (422, "validation-error")
    change["email"] = "grace@example.com"
    assert (await user.client.patch("/v1/users/me", json=change)).status_code == 200
    change = {"email": "Grace.Hopper@example.com", "current_password": "grace.hopper"}
    refused = await user.client.patch("/v1/users/me", json=change)
    assert refused.json()["errors"][0]["loc"] == ["body", "email"]


async def test_f58_a_trigger_fills_in_the_key_for_other_writers(sql: asyncpg.Connection) -> None:
    await sql.executemany(
        "INSERT INTO users (id, email) VALUES (gen_random_uuid(), $1)", [("Late@x.de",), ("plain@x.de",)]
    )
    await sql.execute("UPDATE users SET email = 'Other@x.de' WHERE email = 'plain@x.de'")
    rows = await sql.fetch("SELECT email_key FROM users ORDER BY 1")
    assert [row["email_key"] for row in rows] == ["late@x.de", "other@x.de"]
