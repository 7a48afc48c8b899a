import httpx
import pytest

from tests.support.accounts import PASSWORD, Account


@pytest.fixture
async def operator(client: httpx.AsyncClient, admin: Account) -> httpx.AsyncClient:
    """A client that is signed in to the operators' page."""
    form = {"email": admin.email, "password": PASSWORD}
    signed_in = await client.post("/ops/login", data=form, headers={"Origin": str(client.base_url).rstrip("/")})
    assert signed_in.status_code == 303
    return client


@pytest.mark.parametrize(("name", "value"), [("status", "abc"), ("min_ms", "-1"), ("min_ms", "fast")])
async def test_f89_an_invalid_filter_is_named_and_the_form_kept(
    operator: httpx.AsyncClient, name: str, value: str
) -> None:
    shown = await operator.get("/ops/requests", params={name: value, "route": "/v1/images"})
    assert shown.status_code == 422
    alert = shown.text.partition('role="alert">')[2].partition("<")[0]
    assert name in alert, shown.text
    assert f'name="{name}" value="{value}"' in shown.text
    assert 'name="route" value="/v1/images"' in shown.text


async def test_f89_an_unknown_page_is_html(client: httpx.AsyncClient) -> None:
    shown = await client.get("/ops/nothing")
    assert shown.status_code == 404
    assert shown.headers["content-type"].startswith("text/html")
