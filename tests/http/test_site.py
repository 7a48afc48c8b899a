"""F80: the usual files of a web site, and one version in all places."""

import re

import httpx
import pytest

from app import VERSION
from tests.support.paths import ROOT

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


async def test_f80_the_version_is_the_same_everywhere(client: httpx.AsyncClient) -> None:
    assert (await client.get("/version")).json() == {"name": "Image-Tagged-System", "version": VERSION, "api": "v1"}
    assert (await client.get("/openapi.json")).json()["info"]["version"] == VERSION
    assert f',version="{VERSION}"}} 1.0' in (await client.get("/metrics")).text
    assert 'version = {attr = "app.VERSION"}' in (ROOT / "pyproject.toml").read_text()
