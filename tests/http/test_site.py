"""F80: the usual files of a web site, and one version in all places."""

import re
from datetime import UTC, datetime

import httpx
import pytest

from app import VERSION
from app.core.settings import Settings
from tests.support.paths import ROOT
from tests.support.server import running_service

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html"),
        ("/favicon.ico", "image/x-icon"),
        ("/robots.txt", "text/plain"),
        ("/version", "application/json"),
    ],
)
async def test_f80_the_usual_paths_of_a_site_are_there(client: httpx.AsyncClient, path: str, content_type: str) -> None:
    response = await client.get(path)
    assert (response.status_code, response.headers["content-type"].partition(";")[0]) == (200, content_type)
    assert response.content


async def test_f80_the_links_of_the_home_page_lead_somewhere(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    links = re.findall(r'href="([^"]+)"', page.text)
    assert links
    for link in links:
        response = await client.get(link, follow_redirects=True)
        assert response.status_code in (200, 401), link


async def test_the_security_contact_is_shown_if_set(client: httpx.AsyncClient, settings: Settings) -> None:
    assert (await client.get("/.well-known/security.txt")).status_code == 404
    contact = "mailto:security@example.org"
    async with (
        running_service(settings.model_copy(update={"security_contact": contact})) as service,
        httpx.AsyncClient(base_url=service.url) as other,
    ):
        shown = await other.get("/.well-known/security.txt")
    assert shown.headers["content-type"].startswith("text/plain")
    fields = dict(line.split(": ", 1) for line in shown.text.splitlines())
    assert fields["Contact"] == contact
    assert datetime.now(UTC) < datetime.fromisoformat(fields["Expires"])


async def test_f80_the_version_is_the_same_everywhere(client: httpx.AsyncClient) -> None:
    assert (await client.get("/version")).json() == {"name": "Image-Tagged-System", "version": VERSION, "api": "v1"}
    assert (await client.get("/openapi.json")).json()["info"]["version"] == VERSION
    assert f',version="{VERSION}"}} 1.0' in (await client.get("/metrics")).text
    assert 'version = {attr = "app.VERSION"}' in (ROOT / "pyproject.toml").read_text()
