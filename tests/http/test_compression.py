"""F43: text is compressed on request, images never; each representation has its own entity tag."""

import zlib

import httpx
import pytest

from app.http.middleware.compression import accepts_gzip
from tests.support.accounts import Account

GZIP = {"Accept-Encoding": "gzip"}
PLAIN = {"Accept-Encoding": "identity"}
STATIC = "/static-offline-docs"


@pytest.mark.parametrize(
    "path", ["/openapi.json", "/problems", "/docs/oauth2-redirect", "/static-offline-docs/swagger-ui-bundle.js"]
)
async def test_f43_text_is_compressed_on_request(client: httpx.AsyncClient, path: str) -> None:
    plain = await client.get(path, headers=PLAIN)
    async with client.stream("GET", path, headers=GZIP) as response:
        raw = b"".join([piece async for piece in response.aiter_raw()])
    assert "content-encoding" not in plain.headers
    assert response.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in response.headers["vary"].lower()
    assert "accept-encoding" in plain.headers["vary"].lower()
    assert len(raw) < len(plain.content) * 0.7
    assert zlib.decompress(raw, 31) == plain.content
    head = await client.head(path, headers=GZIP)
    assert head.headers["content-encoding"] == "gzip"


async def test_f43_lists_out_of_the_cache_are_compressed(client: httpx.AsyncClient, user: Account) -> None:
    await user.client.post("/v1/tags", json={"names": [f"tag {number}" for number in range(60)]})
    plain = await client.get("/v1/tags?limit=100", headers=PLAIN)
    for _ in range(2):
        packed = await client.get("/v1/tags?limit=100", headers=GZIP)
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.json() == plain.json()
    assert packed.headers["etag"] == plain.headers["etag"][:-1] + '-gzip"'


@pytest.mark.parametrize("path", ["/openapi.json", "/v1/tags?limit=100"])
async def test_f43_either_tag_is_a_precondition(client: httpx.AsyncClient, user: Account, path: str) -> None:
    await user.client.post("/v1/tags", json={"names": [f"tag {number}" for number in range(60)]})
    tags = {(await client.get(path, headers=accept)).headers["etag"] for accept in (GZIP, PLAIN)}
    assert len(tags) == 2
    for tag in tags:
        for accept in (GZIP, PLAIN):
            response = await client.get(path, headers={**accept, "If-None-Match": tag})
            assert (response.status_code, response.headers["etag"]) == (304, tag)


async def test_f43_if_match_accepts_the_tag_of_a_compressed_image(user: Account, photo: bytes) -> None:
    files = {"image": ("a.png", photo)}
    tags = [f"a long name of a tag with the number {number}" for number in range(40)]
    made = (await user.client.post("/v1/images", files=files, data={"tags": tags})).json()
    path = made["links"]["self"]
    packed = await user.client.get(path, headers=GZIP)
    assert packed.headers["etag"].endswith('-gzip"')
    for tag, status in ((packed.headers["etag"], 200), (packed.headers["etag"], 412)):
        response = await user.client.patch(path, json={"name": f"{status}.png"}, headers={"If-Match": tag})
        assert response.status_code == status


async def test_f43_images_and_small_bodies_are_not_compressed(user: Account, photo: bytes) -> None:
    made = (await user.client.post("/v1/images", files={"image": ("a.png", photo)})).json()
    for path in (*made["links"].values(), "/healthz"):
        response = await user.client.get(path, headers=GZIP)
        assert response.status_code == 200
        assert "content-encoding" not in response.headers
    ranged = await user.client.get(made["links"]["content"], headers={**GZIP, "Range": "bytes=0-9"})
    assert (ranged.status_code, ranged.content) == (206, photo[:10])


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        *(("gzip", True), ("br, GZIP;q=0.5", True), ("x-gzip", True), ("gzip;q=1", True)),
        *(("gzip;q=0", False), ("gzip; q=0.00", False), ("", False), ("notgzip", False), ("*;q=0", False)),
    ],
)
def test_f43_the_weight_of_gzip_counts(header: str, *, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted
