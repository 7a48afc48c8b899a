"""User x verb x object over every endpoint of the service, against the model in matrix.py."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest

from app.core.security import digest_token, new_opaque_token
from app.db.database import Database
from app.users.api_keys.repository import ApiKeyRepository
from app.users.authentication import API_KEY_PREFIX
from tests.support.accounts import Account
from tests.support.openapi import DOCUMENT, undocumented
from tests.support.photos import png
from tests.users.matrix import ACTORS, ENDPOINTS, IMAGE_RULES, TARGETS, Actor, Rule, Target, expected

pytestmark = pytest.mark.integration

MakeAccount = Callable[..., Awaitable[Account]]


SERVED = sorted((method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations)


class World:
    """The accounts and objects that a request can be about, made anew when one was used up."""

    def __init__(self, make_account: MakeAccount, database: Database, sql: asyncpg.Connection) -> None:
        self._make_account, self._database, self._sql = make_account, database, sql
        self.accounts: dict[str, Account] = {}
        self._keys: dict[str, tuple[uuid.UUID, str]] = {}
        self._images: dict[str, str] = {}

    async def reset(self) -> None:
        self.accounts = {name: await self._make_account(is_admin=name == "admin") for name in ("owner", "other")}
        self.accounts["admin"] = await self._make_account(is_admin=True)
        # The last admin could not be deleted.
        await self._make_account(is_admin=True)
        self._keys, self._images = {}, {}
        await self._sql.execute("INSERT INTO tags (name) VALUES ('matrix'), ('cat') ON CONFLICT DO NOTHING")

    async def credentials(self, actor: Actor) -> dict[str, str]:
        if actor.account is None:
            return {}
        account = self.accounts[actor.account]
        if actor.scopes is None:
            return {"Authorization": f"Bearer {account.access_token}"}
        return {"Authorization": f"Bearer {(await self._key(actor))[1]}"}

    async def names(self, actor: Actor, target: Target | None, *, in_trash: bool = False) -> dict[str, Any]:
        account = self.accounts[actor.account or "owner"]
        key_id = await self._spare_key(account)
        names: dict[str, Any] = {"session_id": str(account.session_id), "key_id": key_id, "provider": "nobody"}
        names |= {"unique": uuid.uuid4().hex, "photo": png(), "tag": "matrix", "name": f"tag {uuid.uuid4().hex}"}
        await self._sql.execute("INSERT INTO tags (name) VALUES ($1)", names["name"])
        names |= {"user_id": str(uuid.uuid4()), "invitation_id": str(uuid.uuid4())}
        names["upload_id"] = str(uuid.uuid4())
        await self._sql.execute(
            "INSERT INTO users (id, email) VALUES ($1, $2)", names["user_id"], f"{names['unique']}@example.org"
        )
        if target is not None:
            names["image_id"] = await (self._trashed(target) if in_trash else self._image(target))
        return names

    async def _spare_key(self, account: Account) -> str:
        async with self._database.unit_of_work() as session:
            digest = digest_token(new_opaque_token())
            return str((await ApiKeyRepository(session).add(account.id, "spare", digest, ["read"], None)).id)

    async def _key(self, actor: Actor) -> tuple[uuid.UUID, str]:
        if actor.name not in self._keys:
            key = API_KEY_PREFIX + new_opaque_token()
            async with self._database.unit_of_work() as session:
                owner = self.accounts[actor.account or ""].id
                row = await ApiKeyRepository(session).add(
                    owner, "key", digest_token(key), sorted(actor.scopes or ()), None
                )
            self._keys[actor.name] = (row.id, key)
        return self._keys[actor.name]

    async def _image(self, target: Target) -> str:
        if target.name not in self._images:
            files = {"image": (f"{uuid.uuid4().hex}.png", png(), "image/png")}
            form = {"tags": "matrix", "visibility": "private" if target.private else "public"}
            stored = await self.accounts["owner"].client.post("/v1/images", files=files, data=form)
            assert stored.status_code == 201, stored.text
            self._images[target.name] = stored.json()["id"]
            if not target.owned:
                await self._sql.execute(
                    "UPDATE images SET uploaded_by = NULL WHERE id = $1", uuid.UUID(self._images[target.name])
                )
        return self._images[target.name]

    async def _trashed(self, target: Target) -> str:
        is_new, image = target.name not in self._images, await self._image(target)
        if is_new:
            deleted = await self.accounts["admin"].client.delete(f"/v1/images/{image}")
            assert deleted.status_code == 204, deleted.text
        return image


@pytest.fixture
async def world(make_account: MakeAccount, database: Database, sql: asyncpg.Connection) -> World:
    world = World(make_account, database, sql)
    await world.reset()
    return world


def test_the_matrix_knows_every_endpoint() -> None:
    assert [route for route in SERVED if route not in ENDPOINTS] == []


@pytest.mark.parametrize(("method", "path"), [route for route in SERVED if route in ENDPOINTS])
async def test_responses_match_the_matrix(method: str, path: str, world: World, client: httpx.AsyncClient) -> None:
    endpoint = ENDPOINTS[method, path]
    wrong: dict[Any, Any] = {}
    for actor in ACTORS:
        for target in TARGETS if endpoint.rule in IMAGE_RULES else [None]:
            names = await world.names(actor, target, in_trash=endpoint.rule is Rule.CHANGE_TRASH)
            headers = await world.credentials(actor)
            arguments = endpoint.request(names)
            arguments["headers"] = headers | arguments.get("headers", {})
            response = await client.request(method, path.format(**names), **arguments, follow_redirects=False)
            wanted = expected(endpoint, method, actor, target)
            if response.status_code != wanted:
                wrong[actor.name, target and target.name] = (response.status_code, wanted, response.text[:200])
            elif not_in_openapi := undocumented(DOCUMENT, method, path, response):
                wrong[actor.name, target and target.name] = (response.status_code, not_in_openapi)
            if endpoint.consumes and response.is_success:
                await world.reset()
    assert wrong == {}


@pytest.mark.parametrize(
    ("method", "path"),
    [route for route in SERVED if route in ENDPOINTS and ENDPOINTS[route].rule is not Rule.OPEN],
)
async def test_bad_credentials_are_401_before_anything_else(method: str, path: str, client: httpx.AsyncClient) -> None:
    """The body is no JSON, the ids are none, and still the credentials come first."""
    target = path.format_map(
        dict.fromkeys(
            ("image_id", "upload_id", "user_id", "invitation_id", "session_id", "key_id", "provider", "tag", "name"),
            "%00",
        )
    )
    headers = {"Authorization": "Bearer nonsense", "Content-Type": "application/json"}
    response = await client.request(method, target, headers=headers, content=b"{not json")
    assert (response.status_code, response.json()["type"]) == (401, "/problems/invalid-token"), response.text
    assert undocumented(DOCUMENT, method, path, response) == []
    assert response.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    if ENDPOINTS[method, path].rule is not Rule.ANYONE and ENDPOINTS[method, path].rule is not Rule.SEE_IMAGE:
        del headers["Authorization"]
        response = await client.request(method, target, headers=headers, content=b"{not json")
        assert response.json()["type"] == "/problems/unauthenticated", response.text
