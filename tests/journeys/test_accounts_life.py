"""An account's life over HTTP: sign up, script with a key, lose a device, change the password, leave."""

import asyncio

import httpx

from app.core.settings import Settings
from tests.support.accounts import PASSWORD, Account
from tests.support.photos import png
from tests.support.server import running_service


async def test_an_accounts_life(client: httpx.AsyncClient) -> None:
    credentials = {"email": "ada@example.com", "password": PASSWORD}
    assert (await client.post("/v1/users", json=credentials)).status_code == 201
    form = {"grant_type": "password", "username": "ada@example.com", "password": PASSWORD}
    phone = (await client.post("/v1/auth/token", data=form)).json()
    laptop = (await client.post("/v1/auth/token", data=form)).json()
    client.headers["Authorization"] = f"Bearer {laptop['access_token']}"

    made = await client.post("/v1/users/me/api-keys", json={"name": "backup", "scopes": ["read", "write"]})
    script = {"Authorization": f"Bearer {made.json()['key']}"}
    files = {"image": ("cat.png", png(), "image/png")}
    uploaded = await client.post("/v1/images", files=files, data={"visibility": "private"}, headers=script)
    assert uploaded.status_code == 201, uploaded.text
    image = uploaded.json()["links"]["self"]

    sessions = (await client.get("/v1/users/me/sessions")).json()["items"]
    lost = next(one for one in sessions if not one["current"])
    assert (await client.delete(f"/v1/users/me/sessions/{lost['id']}")).status_code == 204
    stale = {"Authorization": f"Bearer {phone['access_token']}"}
    assert (await client.get(image, headers=stale)).status_code == 401

    change = {"password": "another good password", "current_password": PASSWORD}
    assert (await client.patch("/v1/users/me", json=change)).status_code == 200
    assert (await client.post("/v1/auth/token", data=form)).status_code == 401
    assert (await client.get(image)).status_code == 200

    assert (await client.delete("/v1/users/me")).status_code == 204
    assert (await client.get(image, headers=script)).status_code == 401
    del client.headers["Authorization"]
    assert (await client.get(image)).status_code == 404


async def test_signing_in_holds_no_database_connection_while_it_hashes(settings: Settings, user: Account) -> None:
    single = settings.model_copy(update={"database_pool_size": 1, "database_max_overflow": 0})
    form = {"grant_type": "password", "username": user.email, "password": PASSWORD}
    unknown = {**form, "username": "nobody@example.com"}
    headers = {"Authorization": f"Bearer {user.access_token}"}
    async with running_service(single) as service, httpx.AsyncClient(base_url=service.url, timeout=30) as client:
        # More than POOL_TIMEOUT of hashing: were the one connection held by it, the reads would be 503.
        sign_ins = [asyncio.create_task(client.post("/v1/auth/token", data=unknown)) for _ in range(14)]
        responses = []
        while not all(task.done() for task in sign_ins):
            responses.append((await client.get("/v1/users/me", headers=headers)).status_code)
        assert {task.result().status_code for task in sign_ins} == {401}
        assert set(responses) == {200}
        assert (await client.post("/v1/auth/token", data=form)).status_code == 200
