"""The headers of every page, and the caching of pages, thumbnails, files and scripts."""

import re

import httpx
import pytest

from app.core.settings import Settings
from app.gallery.gallery_cookie import COOKIE
from app.gallery.page_rendering import STATIC_VERSION
from app.ops.session_cookie import COOKIE as OPS_COOKIE
from tests.gallery.conftest import gallery_cookie
from tests.gallery.site_pages import MAILED_LINKS, make_pages
from tests.support.accounts import Account
from tests.support.photos import png

pytestmark = pytest.mark.integration

HEADERS = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
}
# No `unsafe-inline`, no `unsafe-eval`, no foreign host.
SOURCES = {"'none'", "'self'", "blob:"}
DIRECTIVES = {
    "default-src": {"'none'"},
    "base-uri": {"'none'"},
    "form-action": {"'self'"},
    "frame-ancestors": {"'none'"},
    "script-src": {"'self'"},
    "style-src": {"'self'"},
    "require-trusted-types-for": {"'script'"},
    "trusted-types": {"'none'"},
}
LINK_DIRECTIVES = {
    "default-src": {"'none'"},
    "style-src": {"'self'"},
    "form-action": {"'self'"},
    "base-uri": {"'none'"},
    "frame-ancestors": {"'none'"},
}
# Code or styles in attributes and elements, and addresses of other hosts.
INLINE = re.compile(
    r"""<script(?![^>]*\ssrc=)|<style|\s(style|on\w+)=["']|javascript:|(?:src|href|action)=["'](?:https?:)?//"""
)


def directives_of(page: httpx.Response) -> dict[str, set[str]]:
    parts = [part.split() for part in page.headers["content-security-policy"].split(";")]
    return {name: set(values) for name, *values in parts}


async def test_every_page_forbids_inline_code_foreign_hosts_and_frames(
    client: httpx.AsyncClient, settings: Settings, admin: Account
) -> None:
    pages = await make_pages(admin)
    signed_in = {"Cookie": f"{COOKIE}={gallery_cookie(settings, admin)}; {OPS_COOKIE}={admin.ops_cookie}"}
    anonymous: dict[str, str] = {}
    visits = [(path, anonymous) for path in pages.for_visitors] + [(path, signed_in) for path in pages.for_admins]
    for path, cookies in visits:
        page = await client.get(path, headers={"Accept": "text/html", **cookies})
        assert page.headers["content-type"].startswith("text/html"), path
        assert INLINE.findall(page.text) == [], path
        directives = directives_of(page)
        if path.startswith("/problems"):
            # A page of text alone, which any cache may store.
            assert directives == {"default-src": {"'none'"}, "frame-ancestors": {"'none'"}}
            continue
        if path in MAILED_LINKS:
            # Without scripts. The address has a token, which no other site and no cache receives.
            assert directives == LINK_DIRECTIVES, path
            wanted = HEADERS | {"referrer-policy": "no-referrer", "cache-control": "no-store"}
            assert wanted.items() <= dict(page.headers).items(), path
            continue
        assert DIRECTIVES.items() <= directives.items(), path
        assert set.union(*directives.values()) <= SOURCES | {"'script'"}, path
        assert HEADERS.items() <= dict(page.headers).items(), path
        is_stored = path.startswith("/ops") or cookies
        assert page.headers["cache-control"] == ("no-store" if is_stored else "private, no-cache"), path
        assert path.startswith("/ops") or "cookie" in page.headers["vary"].lower(), path


async def test_caches_keep_public_thumbnails_and_no_private_ones(
    client: httpx.AsyncClient, settings: Settings, user: Account
) -> None:
    cookie = {"Cookie": f"{COOKIE}={gallery_cookie(settings, user)}"}
    ids = {}
    for visibility in ("public", "private"):
        file = {"image": (f"{visibility}.png", png())}
        stored = await user.client.post("/v1/images", files=file, data={"visibility": visibility})
        ids[visibility] = stored.json()["id"]
    public = await client.get(f"/v1/images/{ids['public']}/thumbnail")
    assert re.fullmatch(r"public, max-age=\d+, immutable, s-maxage=\d+", public.headers["cache-control"])
    for kind in ("thumbnail?size=320", "content", "content?download=true"):
        path = f"/i/{ids['private']}/{kind}"
        shown = await client.get(path, headers=cookie)
        assert (shown.status_code, shown.headers["cache-control"]) == (200, "private, max-age=300"), kind
        again = await client.get(path, headers={**cookie, "If-None-Match": shown.headers["etag"]})
        assert (again.status_code, again.headers["cache-control"]) == (304, "private, max-age=300"), kind
        assert {one.headers["vary"] for one in (shown, again)} == {"Cookie"}, kind
        assert "sandbox" in shown.headers["content-security-policy"], kind
        refused = await client.get(path)
        assert (refused.status_code, refused.headers["cache-control"]) == (303, "no-store"), kind


@pytest.mark.parametrize("name", ["gallery.js", "gallery.css", "icon.svg", "tus.min.js"])
async def test_caches_keep_the_files_of_the_present_version_only(client: httpx.AsyncClient, name: str) -> None:
    paths = {
        f"/static/{STATIC_VERSION}/{name}": "public, max-age=31536000, immutable",
        # A page of another version, or one that has no version in its links.
        f"/static/{'0' * 12}/{name}": "no-cache",
        f"/static/{name}": "no-cache",
    }
    for path, caching in paths.items():
        file = await client.get(path)
        assert (file.status_code, file.headers["cache-control"]) == (200, caching), path
        assert (await client.get(path, headers={"If-None-Match": file.headers["etag"]})).status_code == 304, path
    assert (await client.get(f"/static/{STATIC_VERSION}/..%2Frouter.py")).status_code == 404


async def test_pages_refer_to_the_present_version_alone(client: httpx.AsyncClient, user: Account) -> None:
    await user.client.post("/v1/images", files={"image": ("a.png", png())})
    page = await client.get("/")
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
    assert {path.rpartition("/")[0] for path in files} == {f"/static/{STATIC_VERSION}"}
    # The modules that a script imports are requested with it.
    script = (await client.get(f"/static/{STATIC_VERSION}/gallery.js")).text
    imports = re.findall(r'from "\./([^"]+)"', script)
    assert imports
    for name in imports:
        assert f'<link rel="modulepreload" href="/static/{STATIC_VERSION}/{name}"' in page.text
