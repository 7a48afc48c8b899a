"""Password resets and e-mail verification by mail, over a real SMTP server."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from email.message import EmailMessage
from typing import Any

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from app.core.rate_limit import RateLimitSettings
from app.core.settings import Settings
from app.db.database import Database
from app.users.sessions.session_cleanup import remove_expired_credentials
from tests.support.accounts import PASSWORD, Account, add_api_key
from tests.support.mail import Mailbox, smtp_server
from tests.support.server import running_service

pytestmark = pytest.mark.integration

NEW_PASSWORD = "an entirely new one"
RESET, CONFIRM_RESET = "/v1/auth/password-reset", "/v1/auth/password-reset/confirm"
VERIFY, CONFIRM_EMAIL = "/v1/users/me/email-verification", "/v1/auth/email-verification/confirm"
SITE = "https://images.example.org/pictures"


def slug(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["type"].rpartition("/problems/")[2]


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with smtp_server() as mailbox:
        yield mailbox


@pytest.fixture
async def mailing(settings: Settings, mailbox: Mailbox, sql: asyncpg.Connection) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ARG001
    """A client of a service that sends mail."""
    changes: dict[str, Any] = {"smtp_url": SecretStr(mailbox.url), "public_url": SITE}
    async with (
        running_service(settings.model_copy(update=changes)) as service,
        httpx.AsyncClient(base_url=service.url, timeout=60) as client,
    ):
        yield client


def text_of(mail: EmailMessage) -> str:
    return str(mail.get_content())


def token_of(mail: EmailMessage) -> str:
    found = re.search(r"token=([\w-]+)", text_of(mail))
    assert found, text_of(mail)
    return found[1]


async def sign_in(client: httpx.AsyncClient, account: Account, password: str) -> int:
    form = {"grant_type": "password", "username": account.email, "password": password}
    return (await client.post("/v1/auth/token", data=form)).status_code


async def test_f56_a_mailed_link_resets_the_password_once_and_ends_all_credentials(
    mailing: httpx.AsyncClient, mailbox: Mailbox, user: Account, database: Database
) -> None:
    key = await add_api_key(database, user, "read")
    accepted = await mailing.post(RESET, json={"email": user.email}, headers={"Host": "evil.example.com"})
    assert (accepted.status_code, accepted.content) in ((202, b"null"), (202, b""))
    mail = await mailbox.next_mail()
    assert (mail["To"], mailbox.recipients) == (user.email, [user.email])
    assert mail["From"] == "no-reply@images.example.org"
    assert re.findall(r"https?://[^\s?:]+", text_of(mail)) == [SITE, f"{SITE}/reset-password"]
    body = {"token": token_of(mail), "password": NEW_PASSWORD}
    # The second one is the address itself (F62); a refused password leaves the link valid.
    for refused in ("short", user.email.upper()):
        assert slug(await mailing.post(CONFIRM_RESET, json=body | {"password": refused})) == (422, "validation-error")
    responses = await asyncio.gather(*(mailing.post(CONFIRM_RESET, json=body) for _ in range(3)))
    assert sorted(one.status_code for one in responses) == [204, 400, 400]
    assert slug(await mailing.post(CONFIRM_RESET, json=body)) == (400, "invalid-link")
    for token in (user.access_token, key):
        response = await mailing.get("/v1/users/me", headers={"Authorization": f"Bearer {token}"})
        assert slug(response) == (401, "invalid-token")
    assert await sign_in(mailing, user, PASSWORD) == 401
    assert await sign_in(mailing, user, NEW_PASSWORD) == 200


async def test_f56_every_address_gets_the_same_response_while_the_mail_server_hangs(
    mailing: httpx.AsyncClient, mailbox: Mailbox, user: Account, admin: Account
) -> None:
    mailbox.goes_on.clear()
    await admin.client.patch(f"/v1/users/{admin.id}", json={"quota_bytes": 1})
    responses = [await mailing.post(RESET, json={"email": one}) for one in ("nobody@example.com", user.email)]
    assert {one.status_code for one in responses} == {202}
    assert responses[0].content == responses[1].content
    ignored = {"date", "x-request-id", "ratelimit-reset", "ratelimit-remaining", "ratelimit"}
    first, second = ({n: v for n, v in one.headers.items() if n not in ignored} for one in responses)
    assert first == second
    assert slug(await mailing.post(RESET, json={"email": "nonsense"})) == (422, "validation-error")
    mailbox.goes_on.set()
    await mailbox.next_mail()
    # The request for an unknown address came first, and no mail was sent for it.
    assert mailbox.recipients == [user.email]


async def test_f56_a_link_ends_with_time_password_address_and_account(
    mailing: httpx.AsyncClient,
    mailbox: Mailbox,
    user: Account,
    admin: Account,
    sql: asyncpg.Connection,
    database: Database,
) -> None:
    async def link(number: int) -> dict[str, str]:
        assert (await mailing.post(RESET, json={"email": user.email})).status_code == 202
        return {"token": token_of(await mailbox.next_mail(number)), "password": NEW_PASSWORD}

    async def is_refused(body: dict[str, str]) -> bool:
        return slug(await mailing.post(CONFIRM_RESET, json=body)) == (400, "invalid-link")

    body = await link(1)
    assert 3500 < await sql.fetchval("SELECT extract(epoch FROM expires_at - now())::int FROM mailed_links") <= 3600
    assert slug(await mailing.post(CONFIRM_EMAIL, json={"token": body["token"]})) == (400, "invalid-link")
    await sql.execute("UPDATE mailed_links SET expires_at = now()")
    assert await is_refused(body)
    await remove_expired_credentials(database)
    assert await sql.fetchval("SELECT count(*) FROM mailed_links") == 0
    body = await link(2)
    changed = await user.client.patch("/v1/users/me", json={"password": NEW_PASSWORD, "current_password": PASSWORD})
    assert changed.status_code == 200
    assert await is_refused(body)
    body = await link(3)
    await sql.execute("UPDATE users SET email = 'new@example.com' WHERE id = $1", user.id)
    assert await is_refused(body)
    await sql.execute("UPDATE users SET email = $2 WHERE id = $1", user.id, user.email)
    body = await link(4)
    for disabled in (True, False):
        await admin.client.patch(f"/v1/users/{user.id}", json={"disabled": disabled})
        assert await is_refused(body)
    body = await link(5)
    assert (await admin.client.delete(f"/v1/users/{user.id}")).status_code == 204
    assert await is_refused(body)


async def test_f56_a_link_verifies_the_address_of_the_account(
    mailing: httpx.AsyncClient, mailbox: Mailbox, user: Account
) -> None:
    headers = {"Authorization": f"Bearer {user.access_token}"}
    assert slug(await mailing.post(VERIFY)) == (401, "unauthenticated")
    assert (await mailing.post(VERIFY, headers=headers)).status_code == 202
    mail = await mailbox.next_mail()
    assert mailbox.recipients == [user.email]
    body = {"token": token_of(mail)}
    assert slug(await mailing.post(CONFIRM_RESET, json=body | {"password": NEW_PASSWORD})) == (400, "invalid-link")
    assert (await user.client.get("/v1/users/me")).json()["email_verified"] is False
    assert (await mailing.post(CONFIRM_EMAIL, json=body)).status_code == 204
    assert (await user.client.get("/v1/users/me")).json()["email_verified"] is True
    assert slug(await mailing.post(CONFIRM_EMAIL, json=body)) == (400, "invalid-link")
    # Nothing is sent for a verified address.
    assert (await mailing.post(VERIFY, headers=headers)).status_code == 202
    await mailing.post(RESET, json={"email": user.email})
    assert "reset-password" in text_of(await mailbox.next_mail(2))


@pytest.mark.parametrize("verified", [False, True])
async def test_f56_a_reset_unlinks_what_a_squatter_linked(
    mailing: httpx.AsyncClient, mailbox: Mailbox, user: Account, sql: asyncpg.Connection, verified: bool
) -> None:
    await sql.execute("UPDATE users SET email_verified = $1", verified)
    await sql.execute(
        "INSERT INTO social_identities (issuer, subject, provider, user_id) VALUES ('i', 's', 'p', $1)", user.id
    )
    await mailing.post(RESET, json={"email": user.email})
    body = {"token": token_of(await mailbox.next_mail()), "password": NEW_PASSWORD}
    assert (await mailing.post(CONFIRM_RESET, json=body)).status_code == 204
    assert await sql.fetchval("SELECT count(*) FROM social_identities") == int(verified)


async def test_f56_the_pages_of_the_links_change_nothing_until_they_are_submitted(
    mailing: httpx.AsyncClient, mailbox: Mailbox, user: Account
) -> None:
    await mailing.post(RESET, json={"email": user.email})
    token = token_of(await mailbox.next_mail())
    for _ in range(2):
        page = await mailing.get("/reset-password", params={"token": token})
        assert (page.status_code, page.headers["referrer-policy"]) == (200, "no-referrer")
        assert token in page.text
    hostile = await mailing.get("/reset-password", params={"token": '"><script>alert(1)</script>'})
    assert "<script>" not in hostile.text
    same = await mailing.post("/reset-password", data={"token": token, "password": user.email})
    assert (same.status_code, "must differ from the e-mail address" in same.text) == (422, True)
    weak = await mailing.post("/reset-password", data={"token": token, "password": "short"})
    assert weak.status_code == 422
    assert (await mailing.post("/reset-password", data={"token": token, "password": NEW_PASSWORD})).status_code == 200
    assert (await mailing.post("/reset-password", data={"token": token, "password": NEW_PASSWORD})).status_code == 400
    assert await sign_in(mailing, user, NEW_PASSWORD) == 200
    tokens = await mailing.post(
        "/v1/auth/token", data={"grant_type": "password", "username": user.email, "password": NEW_PASSWORD}
    )
    # The reset has proved the address already.
    me = await mailing.get("/v1/users/me", headers={"Authorization": f"Bearer {tokens.json()['access_token']}"})
    assert me.json()["email_verified"] is True
    assert (await mailing.post("/verify-email", data={"token": "made up"})).status_code == 400
    assert (await mailing.get("/verify-email", params={"token": "x"})).status_code == 200


async def test_f56_a_mail_that_the_server_does_not_take_is_sent_again(
    mailing: httpx.AsyncClient, mailbox: Mailbox, user: Account, caplog: pytest.LogCaptureFixture
) -> None:
    mailbox.refuses = 2
    await mailing.post(RESET, json={"email": user.email})
    await mailbox.next_mail()
    assert caplog.text.count("outage began") == 1
    ours = [one for one in caplog.records if one.name.startswith("app.")]
    assert user.email not in repr([vars(one) for one in ours])


@pytest.mark.parametrize(
    "email", ["\u00fcn\u00ef@example.com", '"a, b@c"@example.com', "ada@[127.0.0.1]", "ada@b\u00fccher.example"]
)
async def test_f56_mails_reach_every_valid_address(
    mailing: httpx.AsyncClient, mailbox: Mailbox, make_account: Callable[..., Awaitable[Account]], email: str
) -> None:
    await make_account(email)
    assert (await mailing.post(RESET, json={"email": email})).status_code == 202
    assert email in text_of(await mailbox.next_mail())
    assert mailbox.recipients == [email.replace("b\u00fccher", "xn--bcher-kva")]


async def test_f56_mails_are_limited_by_account_and_by_address(
    settings: Settings, mailbox: Mailbox, make_account: Callable[..., Awaitable[Account]]
) -> None:
    limits = RateLimitSettings(account="2/day", address="4/day", total="1000/day")
    changes: dict[str, Any] = {"smtp_url": SecretStr(mailbox.url), "mail_limits": limits}
    user, other = await make_account(), await make_account()
    async with (
        running_service(settings.model_copy(update=changes)) as service,
        httpx.AsyncClient(base_url=service.url) as client,
    ):
        # Known or not, the limits are the same; and another spelling is no other account.
        for email, spelling in ((user.email, user.email.replace("example", "EXAMPLE")), ("nobody@example.com",) * 2):
            responses = [await client.post(RESET, json={"email": one}) for one in (email, spelling, email)]
            assert [one.status_code for one in responses] == [202, 202, 429]
        assert slug(await client.post(RESET, json={"email": other.email})) == (429, "too-many-requests")
        await mailbox.next_mail(2)
    assert mailbox.recipients == [user.email] * 2


async def test_f56_without_a_mail_server_requests_are_503(client: httpx.AsyncClient, user: Account) -> None:
    responses = [await client.post(RESET, json={"email": user.email}), await user.client.post(VERIFY)]
    assert {slug(one) for one in responses} == {(503, "mail-not-configured")}
