import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.support.accounts import Account
from tests.support.photos import png

pytestmark = pytest.mark.integration


async def make(account: Account, name: str, **fields: str) -> str:
    response = await account.client.post("/v1/images", files={"image": (name, png())}, data=fields)
    assert response.status_code == 201, response.text
    path: str = response.json()["links"]["self"]
    return path


async def test_rename_and_hide(user: Account, client: httpx.AsyncClient) -> None:
    path = await make(user, "a.png", tags="cat")
    renamed = await user.client.patch(path, json={"name": "cafe\u0301.png"})
    assert (renamed.status_code, renamed.json()["name"], renamed.json()["tags"]) == (200, "café.png", ["cat"])
    hidden = await user.client.patch(path, json={"visibility": "private"})
    assert hidden.json()["visibility"] == "private"
    assert hidden.headers["etag"] == (await user.client.get(path)).headers["etag"]
    assert (await client.get(path)).status_code == 404
    assert (await user.client.patch(path, json={})).json() == hidden.json()


@pytest.mark.parametrize(
    "body",
    [
        {"name": None},
        {"visibility": None},
        {"visibility": "x"},
        {"name": ""},
        {"name": "a/b"},
        {"name": "a\x00"},
        {"size": 1},
        {"name": "x" * 256},
    ],
)
async def test_an_invalid_change_is_422(user: Account, body: dict[str, object]) -> None:
    path = await make(user, "a.png")
    assert (await user.client.patch(path, json=body)).status_code == 422


async def test_a_taken_name(user: Account) -> None:
    first, second = await make(user, "a.png"), await make(user, "b.png")
    response = await user.client.patch(second, json={"name": "a.png"})
    assert (response.status_code, response.json()["image"]) == (409, first)
    assert (await user.client.patch(second, json={"name": "b.png"})).status_code == 200
    paths = [await make(user, f"{number}.png") for number in range(6)]
    race = await asyncio.gather(*(user.client.patch(path, json={"name": "z.png"}) for path in paths))
    assert sorted(one.status_code for one in race) == [200, 409, 409, 409, 409, 409]


async def test_other_accounts_read_and_do_not_change(
    user: Account, admin: Account, client: httpx.AsyncClient, make_account: Callable[..., Awaitable[Account]]
) -> None:
    path = await make(user, "a.png")
    other = (await make_account()).client
    assert (await client.patch(path, json={"name": "b.png"})).status_code == 401
    assert (await other.patch(path, json={"name": "b.png"})).status_code == 403
    assert (await other.delete(path)).status_code == 403
    assert (await admin.client.patch(path, json={"name": "b.png"})).status_code == 200
    assert (await admin.client.delete(path)).status_code == 204


async def test_changes_honour_if_match(user: Account) -> None:
    path = await make(user, "a.png", tags="cat")
    etag = (await user.client.get(path)).headers["etag"]
    stale = {"If-Match": '"stale"'}
    assert (await user.client.patch(path, json={"name": "b.png"}, headers=stale)).status_code == 412
    assert (await user.client.put(f"{path}/tags", json={"tags": []}, headers=stale)).status_code == 412
    assert (await user.client.delete(path, headers=stale)).status_code == 412
    changed = await user.client.put(f"{path}/tags", json={"tags": ["dog"]}, headers={"If-Match": etag})
    assert changed.status_code == 200
    assert (await user.client.patch(path, json={"name": "b.png"}, headers={"If-Match": etag})).status_code == 412
    etag = (await user.client.get(path)).headers["etag"]
    assert (await user.client.delete(path, headers={"If-Match": f'"x", {etag}'})).status_code == 204


async def test_one_of_many_that_change_the_same_state_wins(user: Account) -> None:
    path = await make(user, "a.png")
    headers = {"If-Match": (await user.client.get(path)).headers["etag"]}
    race = await asyncio.gather(
        *(user.client.patch(path, json={"name": f"{n}.png"}, headers=headers) for n in range(8))
    )
    assert sorted(one.status_code for one in race) == [200] + [412] * 7


async def test_lookup(
    user: Account, client: httpx.AsyncClient, make_account: Callable[..., Awaitable[Account]]
) -> None:
    path, secret = await make(user, "a.png"), await make(user, "b.png", visibility="private")
    digests = [(await user.client.get(one)).json()["sha256"] for one in (path, secret)]
    digests_of_images = {"sha256": ["0" * 64, digests[1].upper(), digests[0], digests[0]]}
    found = (await user.client.post("/v1/images/lookup", json=digests_of_images)).json()
    assert found == {"items": [{"sha256": digests[1], "image": secret}, {"sha256": digests[0], "image": path}]}
    other = (await make_account()).client
    assert (await other.post("/v1/images/lookup", json=digests_of_images)).json()["items"] == [
        {"sha256": digests[0], "image": path}
    ]
    assert (await client.post("/v1/images/lookup", json=digests_of_images)).status_code == 401
    for wrong in ([], ["x"], ["0" * 63], ["0" * 64] * 1001):
        assert (await user.client.post("/v1/images/lookup", json={"sha256": wrong})).status_code == 422
