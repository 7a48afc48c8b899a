"""The time and the camera of uploaded photos: in the API, through the trash, and never with a position."""

import json
from typing import Any

import asyncpg
import httpx
import pytest

from tests.media.photo_files import (
    CANON,
    MAKE,
    MODEL,
    OFFSET,
    SECRET,
    TAKEN_AT,
    TIME,
    every_format,
    jpeg,
    tiff,
    xmp,
)
from tests.support.accounts import Account

SCRIPT = "<script>alert('x')</script>"


async def upload(user: Account, name: str, body: bytes) -> dict[str, Any]:
    response = await user.client.post("/v1/images", files={"image": (name, body)})
    assert response.status_code == 201, response.text
    image: dict[str, Any] = response.json()
    return image


async def found(client: httpx.AsyncClient, query: str, **params: object) -> list[str]:
    response = await client.get("/v1/images", params={"q": query, **params})  # type: ignore[dict-item]
    assert response.status_code == 200, response.text
    return [image["name"] for image in response.json()["items"]]


async def test_every_format_is_stored_with_its_time_and_camera_and_without_its_position(
    user: Account, sql: asyncpg.Connection
) -> None:
    for name, body in every_format().items():
        assert SECRET.encode() in body
        image = await upload(user, name, body)
        assert (image["taken_at"], image["camera"]) == ("2024-05-01T10:00:00", "Canon EOS R5"), name
        text = (await user.client.get(image["links"]["self"])).text
        assert SECRET not in json.dumps(image) + text
        assert "gps" not in text.casefold()
    rows = str([tuple(row) for row in await sql.fetch("SELECT images FROM images")])
    assert SECRET not in rows


async def test_images_are_found_and_ordered_by_time_and_camera(user: Account) -> None:
    files = {
        "late.jpg": jpeg(tiff({MAKE: "SONY", MODEL: "ILCE-7M3"}, {TAKEN_AT: "2025:01:01 00:00:00", OFFSET: "+14:00"})),
        "early.jpg": jpeg(tiff(CANON, {TAKEN_AT: TIME, OFFSET: "-03:30"})),
        "plain.jpg": jpeg(),
        "script.jpg": jpeg(packet=xmp(f'tiff:Model="{SCRIPT.replace("<", "&lt;")}"')),
    }
    images = {name: await upload(user, name, body) for name, body in files.items()}
    assert images["late.jpg"]["taken_at"] == "2025-01-01T00:00:00+14:00"
    assert images["early.jpg"]["taken_at"] == "2024-05-01T10:00:00-03:30"
    assert (images["plain.jpg"]["taken_at"], images["plain.jpg"]["camera"]) == (None, None)
    assert images["script.jpg"]["camera"] == SCRIPT
    client = user.client
    # By the camera's clock: in UTC it was still 2024.
    assert await found(client, "taken:2025") == ["late.jpg"]
    assert await found(client, "taken:2025-01-01T00:00:00Z") == ["late.jpg"]
    assert await found(client, "taken:2024-05-01T10:00:00+09:00") == ["early.jpg"]
    assert await found(client, "-taken:2024..", sort="name") == ["plain.jpg", "script.jpg"]
    assert await found(client, 'camera:"Canon EOS R5"') == ["early.jpg"]
    assert await found(client, "camera:*ILCE*") == ["late.jpg"]
    assert await found(client, "-camera:Canon*", sort="name") == ["late.jpg", "plain.jpg", "script.jpg"]
    assert await found(client, "", sort="taken", limit=3) == ["early.jpg", "late.jpg", "plain.jpg"]
    assert await found(client, "", sort="-taken") == ["late.jpg", "early.jpg", "script.jpg", "plain.jpg"]
    timed = await client.get("/v1/images", params={"q": "taken:2024"})
    assert timed.headers["cache-control"] == "no-store"


async def test_the_trash_keeps_time_and_camera(user: Account) -> None:
    image = await upload(user, "a.jpg", jpeg(tiff(CANON, {TAKEN_AT: TIME, OFFSET: "+02:00"})))
    path, etag = image["links"]["self"], (await user.client.get(image["links"]["self"])).headers["etag"]
    assert (await user.client.delete(path)).status_code == 204
    (trashed,) = (await user.client.get("/v1/trash")).json()["items"]
    assert (trashed["taken_at"], trashed["camera"]) == (image["taken_at"], image["camera"])
    assert (await user.client.post(f"/v1/trash/{image['id']}/restore", json={})).status_code == 200
    restored = await user.client.get(path)
    assert (restored.json()["taken_at"], restored.headers["etag"]) == ("2024-05-01T10:00:00+02:00", etag)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(jpeg(b"II*\0\xff\xff\xff\xff"), id="exif"),
        pytest.param(jpeg(packet=b"<!DOCTYPE x [<!ENTITY e 'x'>]>" + xmp('tiff:Make="&e;"')), id="xmp"),
        pytest.param(jpeg(tiff({MAKE: "\x01\x02"}, {TAKEN_AT: "0000:00:00 00:00:00"})), id="values"),
    ],
)
async def test_damaged_metadata_is_null(user: Account, body: bytes) -> None:
    image = await upload(user, "a.jpg", body)
    assert (image["taken_at"], image["camera"]) == (None, None)
