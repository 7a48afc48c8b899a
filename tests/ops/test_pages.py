import asyncio
import os
import re

import httpx
import pytest

from app import VERSION
from app.db.database import Database
from app.images.upload.usage_compaction import StorageUsageCompactor
from app.ops.dashboard import WINDOWS
from app.ops.statistics.repository import StatisticsRepository
from tests.support.accounts import PASSWORD, Account


@pytest.fixture
async def operator(client: httpx.AsyncClient, admin: Account) -> httpx.AsyncClient:
    """A client that is signed in to the operators' page."""
    form = {"email": admin.email, "password": PASSWORD}
    signed_in = await client.post("/ops/login", data=form, headers={"Origin": str(client.base_url).rstrip("/")})
    assert signed_in.status_code == 303
    return client


@pytest.mark.parametrize(
    ("name", "value"), [("status", "abc"), ("min_ms", "-1"), ("min_ms", "fast"), ("since", "yesterday")]
)
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


async def test_the_service_page_shows_data_accounts_workers_and_versions(
    operator: httpx.AsyncClient, user: Account, photo: bytes
) -> None:
    uploaded = await user.client.post("/v1/images", files={"image": ("a.png", photo)})
    assert uploaded.status_code == 201
    async with asyncio.timeout(30):
        while user.email not in _section(shown := (await operator.get("/ops/service")).text, "busiest"):
            # The log also has the accounts of earlier tests.
            await asyncio.gather(*(user.client.get("/v1/users/me") for _ in range(20)))
    assert f"<td>{os.getpid()}</td>" in _section(shown, "workers")
    assert re.search(
        r"<td>check</td>\s*<td[^>]*>[\d,]+</td>(\s*<td[^>]*>[\d,.]+ ms</td>){3}", _section(shown, "decoders")
    )
    assert f"<dd>{VERSION}</dd>" in _section(shown, "versions")
    assert re.search(r"<dt>PostgreSQL</dt><dd>1[4-9]", _section(shown, "versions"))
    assert re.search(r"<dt>MongoDB</dt><dd>\d+\.\d+", _section(shown, "versions"))
    assert re.search(r"<dt>Redis</dt><dd>\d+\.\d+", _section(shown, "versions"))
    assert "<dt>Images</dt>" in _section(shown, "stored")


async def test_the_largest_accounts_come_first(user: Account, admin: Account, database: Database, photo: bytes) -> None:
    for number in range(2):
        await user.client.post("/v1/images", files={"image": (f"{number}.png", photo)})
    await admin.client.post("/v1/images", files={"image": ("b.png", photo)})
    await StorageUsageCompactor(database).compact()
    async with database.read_session() as session:
        largest = await StatisticsRepository(session).list_largest_accounts(5)
    assert [(one.email, one.images, one.bytes) for one in largest] == [
        (user.email, 2, 2 * len(photo)),
        (admin.email, 1, len(photo)),
    ]


@pytest.mark.parametrize("path", ["/ops/service", "/ops/live"])
async def test_each_window_is_accepted_and_no_other(operator: httpx.AsyncClient, path: str) -> None:
    statuses = [(await operator.get(path, params={"minutes": minutes})).status_code for minutes in WINDOWS]
    assert statuses == [200] * len(WINDOWS)
    for wrong in ("7", "-15", "15.5", "fifteen"):
        assert (await operator.get(path, params={"minutes": wrong})).status_code == 422


async def test_a_period_is_kept_in_the_form(operator: httpx.AsyncClient) -> None:
    period = {"since": "2026-11-20T12:00:00Z", "until": "2026-11-20T13:00:00Z"}
    shown = (await operator.get("/ops/requests", params=period)).text
    assert "Requests of the period" in shown
    assert 'name="since" value="2026-11-20T12:00:00Z"' in shown
    assert 'name="until" value="2026-11-20T13:00:00Z"' in shown


def _section(page: str, name: str) -> str:
    return page.partition(f'id="{name}-title"')[2].partition("</section>")[0]
