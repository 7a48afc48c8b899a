"""How many tags a caller may create, and how many other users may add to an image."""

from collections.abc import Awaitable, Callable

import httpx

from app.core.settings import Settings
from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.server import running_service
from tests.support.server_fixtures import UNLIMITED


def names(number: int, prefix: str = "tag") -> list[str]:
    return [f"{prefix} {index}" for index in range(number)]


async def upload(client: httpx.AsyncClient, name: str, *tags: str) -> httpx.Response:
    return await client.post("/v1/images", files={"image": (name, png())}, data={"tags": ",".join(tags)})


def limited(settings: Settings, **rates: str) -> Settings:
    """Settings with these limits on new tags."""
    changed = Settings(_env_file=None, new_tag_limits=UNLIMITED | rates)
    return settings.model_copy(update={"new_tag_limits": changed.new_tag_limits})


async def test_f12_new_tags_are_limited_wherever_they_are_made(settings: Settings, user: Account) -> None:
    async with running_service(limited(settings, account="10/hour")) as service:
        user.client.base_url = httpx.URL(service.url)
        assert (await user.client.post("/v1/tags", json={"names": names(8)})).status_code == 201
        # Known ones cost nothing.
        assert (await user.client.post("/v1/tags", json={"names": names(8)})).status_code == 201
        image = (await upload(user.client, "a.png", "tag 1", "tag 8")).json()["links"]["self"]
        attempts = [
            await user.client.post("/v1/tags", json={"names": names(12)}),
            await upload(user.client, "b.png", *names(12)),
            await user.client.post(f"{image}/tags", json={"tags": names(12)}),
            await user.client.put(f"{image}/tags", json={"tags": names(12)}),
            await user.client.post("/v1/images/tags", json={"q": "tag*", "add": names(12)}),
        ]
        for response in attempts:
            assert (response.status_code, response.json()["type"]) == (429, "/problems/too-many-requests")
            assert int(response.headers["retry-after"]) >= 1
        # One is left.
        assert (await user.client.post(f"{image}/tags", json={"tags": ["tag 9"]})).status_code == 200
        assert (await user.client.get("/v1/tags/tag%2011")).status_code == 404


async def test_f12_admins_are_not_limited(settings: Settings, admin: Account) -> None:
    async with running_service(limited(settings, account="1/hour", address="1/hour", total="1/hour")) as service:
        response = await admin.client.post(f"{service.url}/v1/tags", json={"names": names(90, "admin")})
        assert response.status_code == 201


def test_f12_the_defaults_bound_what_one_account_does() -> None:
    """In an hour, an account makes no more than this many objects and searches."""
    settings = Settings(_env_file=None)
    bounds = {"upload_limits": 200_000, "search_limits": 400_000, "new_tag_limits": 5_000}
    for name, most in bounds.items():
        limits = getattr(settings, name)
        for rate in (limits.account, limits.address):
            assert rate.count * (1 + 3600 / rate.seconds) <= 2 * most, name
        assert limits.account.count <= limits.address.count <= limits.total.count


async def test_f23_other_users_leave_the_owner_half_of_the_tags(
    user: Account, admin: Account, make_account: Callable[..., Awaitable[Account]]
) -> None:
    stranger, other = await make_account(), await make_account()
    path = (await upload(user.client, "public.png", "mine")).json()["links"]["self"] + "/tags"
    assert (await stranger.client.post(path, json={"tags": names(49)})).status_code == 200
    for guest in (stranger, other):
        refused = await guest.client.post(path, json={"tags": ["one more"]})
        assert (refused.status_code, refused.json()["type"]) == (422, "/problems/validation-error")
        # Those that the image has are no error.
        assert (await guest.client.post(path, json={"tags": ["mine", "tag 1"]})).status_code == 200
    own = await user.client.post(path, json={"tags": names(49, "own")})
    assert own.status_code == 200
    assert len(own.json()["tags"]) == 99
    assert (await admin.client.post(path, json={"tags": ["from an admin"]})).status_code == 200
    assert (await user.client.post(path, json={"tags": ["the 101st"]})).status_code == 422


async def test_f23_an_image_of_which_the_owner_used_more_takes_no_tags_of_others(
    user: Account, make_account: Callable[..., Awaitable[Account]]
) -> None:
    stranger = await make_account()
    path = (await upload(user.client, "full.png", *names(60))).json()["links"]["self"] + "/tags"
    assert (await stranger.client.post(path, json={"tags": ["new"]})).status_code == 422
    assert (await stranger.client.post(path, json={"tags": ["tag 3"]})).status_code == 200
