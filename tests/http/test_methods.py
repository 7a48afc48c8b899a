"""F42: OPTIONS, `Allow`, and ids that are no UUIDs."""

import httpx
import pytest

from tests.http.problem_documents import problem
from tests.support.accounts import Account
from tests.support.raw_http import raw_connection
from tests.support.server import RunningService

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/v1/images", "GET, HEAD, POST, QUERY"),
        ("/v1/images/01890a5d-ac96-774b-bcce-b302099a8057", "GET, HEAD, PATCH, DELETE"),
        ("/v1/images/lookup", "POST"),
        ("/v1/images/similar", "POST"),
        ("/v1/images/tags", "POST"),
        ("/v1/users/me", "GET, HEAD, PATCH, DELETE"),
        ("/v1/users/invitations", "GET, HEAD, POST"),
        ("/openapi.json", "GET, HEAD"),
        ("/ops", "GET, HEAD"),
        ("/static-offline-docs/swagger-ui.css", "GET, HEAD"),
    ],
)
async def test_f42_options_lists_the_methods_of_a_resource(client: httpx.AsyncClient, path: str, allow: str) -> None:
    response = await client.options(path)
    assert (response.status_code, response.headers["allow"], response.content) == (204, allow, b"")
    for method in {"GET", "PUT"} - set(allow.split(", ")):
        refused = await client.request(method, path)
        problem(refused, 405, "method-not-allowed")
        assert refused.headers["allow"] == allow


async def test_f42_options_of_the_service(service: RunningService) -> None:
    async with raw_connection(service.url) as connection:
        await connection.begin("OPTIONS", "*", {})
        response = await connection.read_response()
    assert (response.status, response.headers["allow"]) == (204, "GET, HEAD, POST, QUERY, PUT, PATCH, DELETE, OPTIONS")


async def test_f42_options_of_an_unknown_path_is_404(client: httpx.AsyncClient) -> None:
    problem(await client.options("/v1/nothing"), 404, "not-found")


async def test_f42_an_id_that_is_no_uuid_is_404(client: httpx.AsyncClient, user: Account, admin: Account) -> None:
    for path in ("", "/content", "/thumbnail", "/url"):
        problem(await client.get(f"/v1/images/abc{path}"), 404, "image-not-found")
    problem(await client.delete("/v1/images/abc"), 401, "unauthenticated")
    problem(await user.client.delete("/v1/images/abc"), 404, "image-not-found")
    problem(await user.client.delete("/v1/images/abc/tags/cat"), 404, "image-not-found")
    problem(await user.client.put("/v1/images/abc/tags", json={"tags": []}), 404, "image-not-found")
    problem(await user.client.patch("/v1/images/abc", json={}), 404, "image-not-found")
    problem(await user.client.delete("/v1/users/me/sessions/abc"), 404, "session-not-found")
    problem(await user.client.delete("/v1/users/me/api-keys/abc"), 404, "api-key-not-found")
    problem(await admin.client.get("/v1/users/abc"), 404, "user-not-found")
    problem(await admin.client.delete("/v1/users/invitations/abc"), 404, "invitation-not-found")
