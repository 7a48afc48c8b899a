"""No request about accounts makes a 500."""

import httpx
import pytest

from tests.support.accounts import Account

pytestmark = pytest.mark.integration

PATHS = [
    "/v1/auth/social/%00",
    "/v1/auth/social/%ED%A0%80/callback?state=a&code=b",
    "/v1/auth/social/..%2Fx",
    "/v1/users?email=%00",
    "/v1/users?email[]=a@example.com&limit=1e9",
    "/v1/users?cursor=%00",
    "/v1/users/me/sessions?cursor=AAAA",
    "/v1/users/me/sessions?limit=-1",
    "/v1/users/me/api-keys?cursor=%F0%9F%92%A3",
]
BODIES = [b"", b"null", b"[]", b'"x"', b"{", b"[" * 50_000, b'{"name": "\\ud800", "scopes": ["read"]}', b"\xff"]
FORMS = [
    b"grant_type=password&username=%00&password=%00",
    b"grant_type=password&username=a&username=b&password=c",
    b"grant_type=refresh_token&refresh_token=%ED%A0%80",
    b"grant_type=refresh_token&refresh_token=" + b"0" * 32 + b".a." + b"0" * 32,
    b"grant_type=password&username=" + b"a" * 321 + b"&password=x",
    b"%=%&=&&",
    b"\xff\xfe=\x00",
]


@pytest.mark.parametrize("path", PATHS)
async def test_hostile_paths_and_queries(admin: Account, path: str) -> None:
    response = await admin.client.get(path)
    assert response.status_code in (400, 404, 422), response.text
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
async def test_hostile_bodies(user: Account, body: bytes) -> None:
    for method, path in (("POST", "/v1/users"), ("PATCH", "/v1/users/me"), ("POST", "/v1/users/me/api-keys")):
        headers = {"Content-Type": "application/json"}
        response = await user.client.request(method, path, content=body, headers=headers)
        assert response.status_code in (400, 422), response.text


@pytest.mark.parametrize("form", FORMS, ids=range(len(FORMS)))
async def test_hostile_forms(client: httpx.AsyncClient, form: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = await client.post("/v1/auth/token", content=form, headers=headers)
    assert response.status_code in (400, 401, 422), response.text
    multipart: dict[str, tuple[str | None, str]] = {
        "grant_type": (None, "password"),
        "username": ("a.png", "x"),
        "password": (None, "p"),
    }
    assert (await client.post("/v1/auth/token", files=multipart)).status_code == 415
