"""K6: every operation that creates an object refuses at some number.

The registry is the OpenAPI document: an operation that answers 201 has to have an entry in CREATORS.
"""

from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest

from app.core.rate_limit import RateLimitSettings
from app.core.settings import Settings
from tests.support.accounts import PASSWORD, Account
from tests.support.photos import png
from tests.support.server import RunningService, running_service
from tests.support.server_fixtures import UNLIMITED

pytestmark = pytest.mark.integration

MOST = 3
Create = Callable[[httpx.AsyncClient, int], Coroutine[Any, Any, httpx.Response]]


def limits() -> RateLimitSettings:
    return RateLimitSettings.model_validate(UNLIMITED | {"account": f"{MOST}/hour", "address": f"{MOST}/hour"})


def key(client: httpx.AsyncClient, number: int) -> Coroutine[Any, Any, httpx.Response]:
    body = {"name": f"key {number}", "scopes": ["read"], "current_password": PASSWORD}
    return client.post("/v1/users/me/api-keys", json=body)


# The settings that lower the limit for the test, and a request that creates one object.
CREATORS: dict[str, tuple[dict[str, object], Create]] = {
    "/v1/tags": (
        {"new_tag_limits": limits()},
        lambda client, number: client.post("/v1/tags", json={"names": [f"made {number}"]}),
    ),
    "/v1/images": (
        {"upload_limits": limits()},
        lambda client, number: client.post("/v1/images", files={"image": (f"{number}.png", png())}),
    ),
    "/v1/uploads": (
        {"upload_limits": limits()},
        lambda client, _number: client.post("/v1/uploads", headers={"Upload-Complete": "?0"}),
    ),
    "/v1/users": (
        {"sign_up_limits": limits()},
        lambda client, number: client.post("/v1/users", json={"email": f"{number}@example.com", "password": PASSWORD}),
    ),
    "/v1/users/me/api-keys": ({"max_api_keys_per_user": MOST}, key),
}
# Operations of admins, with a constant limit.
BY_ADMINS = {"/v1/users/invitations": "MAX_INVITATIONS"}


def test_k6_every_operation_that_creates_has_a_bound(running: RunningService) -> None:
    paths = running.app.openapi()["paths"]
    creators = {path for path, operations in paths.items() if "201" in operations.get("post", {}).get("responses", {})}
    assert creators == CREATORS.keys() | BY_ADMINS.keys()


@pytest.mark.parametrize("path", CREATORS)
async def test_k6_creation_in_a_loop_is_refused(settings: Settings, user: Account, path: str) -> None:
    changes, create = CREATORS[path]
    async with running_service(settings.model_copy(update=changes)) as service:
        user.client.base_url = httpx.URL(service.url)
        responses = [await create(user.client, number) for number in range(MOST + 2)]
    statuses = [response.status_code for response in responses]
    assert statuses[0] == 201
    assert set(statuses[:MOST]) <= {201, 429}
    assert statuses[MOST] in (409, 429)
    assert statuses[MOST + 1] in (409, 429)
