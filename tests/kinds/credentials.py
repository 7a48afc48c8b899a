"""The registry of K9: all credentials, all events that may end one, and the rights that remain after each event.

A new credential gets an entry in CREDENTIALS and a column in AFTER, a new event one in EVENTS and a row in AFTER. The
tests fail until every pair has a rule, and until every table that stores a secret belongs to a credential.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import asyncpg
import httpx

from app.core.security import Audience
from app.gallery import gallery_cookie
from app.models import ApiKey, Invitation, MailedLink, OAuthFlow, SocialIdentity, UserSession
from app.ops.session_cookie import COOKIE
from tests.support.accounts import PASSWORD, Account
from tests.users.openid_server import OpenIdServer

ME = "/v1/users/me"
NEW_PASSWORD = "an entirely new one"
LINKED, LINKING = "subject-linked", "subject-linking"


class Left(Enum):
    """The rights that remain to a credential."""

    ADMIN = "acts as an admin"
    VALID = "is valid"
    ENDED = "is refused"


ADMIN, VALID, ENDED = Left


@dataclass(slots=True)
class World:
    """An account whose first session issued the credentials, and the accounts that end them."""

    account: Account
    owner: httpx.AsyncClient  # the account in another session
    owner_cookie: str  # of that session, for the gallery
    admin: Account  # another account
    client: httpx.AsyncClient  # without credentials
    browser: httpx.AsyncClient  # the same, with the cookies of a social login
    provider: OpenIdServer
    sql: asyncpg.Connection
    secrets: dict[str, str]


@dataclass(frozen=True)
class Credential:
    """The use of a credential, and its tables and audiences."""

    use: Callable[[World, str], Awaitable[Left]]
    tables: tuple[Any, ...] = ()
    audience: Audience | None = None


async def _as_bearer(world: World, secret: str) -> Left:
    headers = {"Authorization": f"Bearer {secret}"}
    me = await world.client.get(ME, headers=headers)
    if me.status_code != 200:
        assert me.status_code == 401, me.text
        return ENDED
    assert me.json()["id"] == str(world.account.id)
    return ADMIN if (await world.client.get("/v1/users", headers=headers)).status_code == 200 else VALID


async def _as_refresh_token(world: World, secret: str) -> Left:
    form = {"grant_type": "refresh_token", "refresh_token": secret}
    response = await world.client.post("/v1/auth/token", data=form)
    assert response.status_code in (200, 401), response.text
    return VALID if response.status_code == 200 else ENDED


async def _as_cookie(world: World, secret: str) -> Left:
    response = await world.client.get("/ops", headers={"Cookie": f"{COOKIE}={secret}"})
    assert response.status_code in (200, 303, 403), response.text
    return ADMIN if response.status_code == 200 else ENDED


async def _as_gallery_cookie(world: World, secret: str) -> Left:
    response = await world.client.get("/", headers={"Cookie": f"{gallery_cookie.COOKIE}={secret}"})
    assert response.status_code == 200, response.text
    return VALID if world.account.email in response.text else ENDED


async def start_social_login(world: World, headers: dict[str, str]) -> str:
    """Start a login and return the path with which the provider sends the browser back."""
    started = await world.browser.get("/v1/auth/social/local", headers=headers)
    assert started.status_code == 302, started.text
    async with httpx.AsyncClient() as outside:
        back = await outside.get(started.headers["location"])
    return back.headers["location"].removeprefix("http://127.0.0.1:8000")


async def _as_identity(world: World, subject: str) -> Left:
    return await _finish(world, await start_social_login(world, {}), subject)


async def _as_link_in_progress(world: World, back: str) -> Left:
    return await _finish(world, back, LINKING)


async def _finish(world: World, back: str, subject: str) -> Left:
    world.provider.behaviour.subject = subject
    tokens = await world.browser.get(back)
    if tokens.status_code != 200:
        assert tokens.status_code in (400, 401, 403), tokens.text
        return ENDED
    headers = {"Authorization": f"Bearer {tokens.json()['access_token']}"}
    same = (await world.client.get(ME, headers=headers)).json()["id"] == str(world.account.id)
    return VALID if same else ENDED


async def _as_presigned_url(_world: World, url: str) -> Left:
    async with httpx.AsyncClient() as outside:
        return VALID if (await outside.get(url)).status_code == 200 else ENDED


async def _as_invitation(world: World, code: str) -> Left:
    body = {"email": "invited@example.com", "password": PASSWORD, "invitation_code": code}
    response = await world.client.post("/v1/users", json=body, timeout=60)
    assert response.status_code in (201, 403, 422), response.text
    return VALID if response.status_code == 201 else ENDED


async def _as_verification_link(world: World, token: str) -> Left:
    return await _confirm(world, "email-verification", {"token": token})


async def _as_reset_link(world: World, token: str) -> Left:
    return await _confirm(world, "password-reset", {"token": token, "password": NEW_PASSWORD})


async def _confirm(world: World, purpose: str, body: dict[str, str]) -> Left:
    response = await world.client.post(f"/v1/auth/{purpose}/confirm", json=body, timeout=60)
    assert response.status_code in (204, 400, 422), response.text
    return VALID if response.status_code == 204 else ENDED


CREDENTIALS = {
    "access token": Credential(_as_bearer, audience=Audience.API),
    "refresh token": Credential(_as_refresh_token, tables=(UserSession,)),
    "key": Credential(_as_bearer, tables=(ApiKey,)),
    "admin key": Credential(_as_bearer),
    "ops cookie": Credential(_as_cookie, audience=Audience.OPS),
    "gallery cookie": Credential(_as_gallery_cookie, audience=Audience.GALLERY),
    "identity": Credential(_as_identity, tables=(SocialIdentity,)),
    "link in progress": Credential(_as_link_in_progress, tables=(OAuthFlow,)),
    # As documented, it is valid until it expires.
    "presigned URL": Credential(_as_presigned_url),
    "invitation": Credential(_as_invitation, tables=(Invitation,)),
    "verification link": Credential(_as_verification_link, tables=(MailedLink,)),
    # Last: its use ends the others.
    "reset link": Credential(_as_reset_link, tables=(MailedLink,)),
}

Event = Callable[[World], Awaitable[httpx.Response]]


def _change_password(**more: Any) -> Event:
    body = {"current_password": PASSWORD, "password": NEW_PASSWORD, **more}
    return lambda world: world.owner.patch(ME, json=body, timeout=60)


def _administer(**body: Any) -> Event:
    return lambda world: world.admin.client.patch(f"/v1/users/{world.account.id}", json=body, timeout=60)


async def _delete_keys(world: World) -> httpx.Response:
    for key in (await world.owner.get(f"{ME}/api-keys")).json()["items"]:
        response = await world.owner.delete(f"{ME}/api-keys/{key['id']}")
    return response


async def _end_other_sessions(world: World) -> httpx.Response:
    """End all other sessions on the page of the gallery."""
    cookie = {"Cookie": f"{gallery_cookie.COOKIE}={world.owner_cookie}"}
    page = await world.client.get("/account", headers=cookie)
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    data = {"csrf_token": found[1] if found else ""}
    done = await world.client.post("/account/sessions/end-others", data=data, headers=cookie)
    assert done.status_code == 303, done.text
    return await world.client.get("/account", headers=cookie)


EVENTS: dict[str, Event] = {
    "nothing": lambda world: world.owner.get(ME),
    "log-out": lambda world: world.account.client.post("/v1/auth/logout"),
    "end of the session": lambda world: world.owner.delete(f"{ME}/sessions/{world.account.session_id}"),
    "end of the other sessions": _end_other_sessions,
    "deletion of the keys": _delete_keys,
    "new password": _change_password(),
    "new password, keys kept": _change_password(keep_api_keys=True),
    "unlinking": lambda world: world.owner.delete(f"{ME}/identities/local"),
    "password set by an admin": _administer(password=NEW_PASSWORD),
    "disabling": _administer(disabled=True),
    "demotion": _administer(is_admin=False),
    # The account is an ordinary one. Its "admin key" is from a version that permitted such keys.
    "promotion": _administer(is_admin=True),
    "own deletion": lambda world: world.owner.delete(ME),
    "deletion by an admin": lambda world: world.admin.client.delete(f"/v1/users/{world.account.id}"),
}

_COLUMNS = tuple(CREDENTIALS)
# In the order of CREDENTIALS.
_ROWS: dict[str, tuple[Left, ...]] = {
    "nothing": (ADMIN, VALID, VALID, ADMIN, ADMIN, VALID, VALID, VALID, VALID, VALID, VALID, VALID),
    "log-out": (ENDED, ENDED, VALID, ADMIN, ENDED, ENDED, VALID, ENDED, VALID, VALID, VALID, VALID),
    "end of the session": (ENDED, ENDED, VALID, ADMIN, ENDED, ENDED, VALID, ENDED, VALID, VALID, VALID, VALID),
    "end of the other sessions": (ENDED, ENDED, VALID, ADMIN, ENDED, ENDED, VALID, ENDED, VALID, VALID, VALID, VALID),
    "deletion of the keys": (ADMIN, VALID, ENDED, ENDED, ADMIN, VALID, VALID, VALID, VALID, VALID, VALID, VALID),
    "new password": (ENDED, ENDED, ENDED, ENDED, ENDED, ENDED, VALID, ENDED, VALID, VALID, VALID, ENDED),
    "new password, keys kept": (ENDED, ENDED, VALID, ADMIN, ENDED, ENDED, VALID, ENDED, VALID, VALID, VALID, ENDED),
    "unlinking": (ENDED, ENDED, VALID, ADMIN, ENDED, ENDED, ENDED, ENDED, VALID, VALID, VALID, ENDED),
    "password set by an admin": (ENDED, ENDED, ENDED, ENDED, ENDED, ENDED, VALID, ENDED, VALID, VALID, VALID, ENDED),
    "disabling": (ENDED, ENDED, ENDED, ENDED, ENDED, ENDED, ENDED, ENDED, VALID, ENDED, ENDED, ENDED),
    "demotion": (VALID, VALID, VALID, VALID, ENDED, VALID, VALID, VALID, VALID, ENDED, VALID, VALID),
    # The invitation is from a demoted admin, because an ordinary account cannot invite.
    "promotion": (ADMIN, VALID, VALID, VALID, ADMIN, VALID, VALID, VALID, VALID, ENDED, VALID, VALID),
    "own deletion": (ENDED, ENDED, ENDED, ENDED, ENDED, ENDED, ENDED, ENDED, VALID, ENDED, ENDED, ENDED),
    "deletion by an admin": (ENDED, ENDED, ENDED, ENDED, ENDED, ENDED, ENDED, ENDED, VALID, ENDED, ENDED, ENDED),
}
AFTER = {event: dict(zip(_COLUMNS, row, strict=True)) for event, row in _ROWS.items()}

# The places to which a secret can be sent instead of its own.
PLACES = {
    "bearer token": _as_bearer,
    "refresh token": _as_refresh_token,
    "cookie": _as_cookie,
    "gallery cookie": _as_gallery_cookie,
    "invitation": _as_invitation,
    "verification": _as_verification_link,
    "reset": _as_reset_link,
}
OWN_PLACE = {
    "access token": "bearer token",
    "refresh token": "refresh token",
    "key": "bearer token",
    "admin key": "bearer token",
    "ops cookie": "cookie",
    "gallery cookie": "gallery cookie",
    "invitation": "invitation",
    "verification link": "verification",
    "reset link": "reset",
}
