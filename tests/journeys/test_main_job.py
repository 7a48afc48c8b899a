"""The main job, as the README's curl session does it: sign up, upload, find, fetch, delete."""

import hashlib

import httpx

from tests.support.photos import png


async def test_upload_find_fetch_delete(client: httpx.AsyncClient) -> None:
    credentials = {"email": "ada@example.com", "password": "correct horse battery staple"}
    created = await client.post("/v1/users", json=credentials)
    assert created.status_code == 201, created.text

    form = {"grant_type": "password", "username": credentials["email"], "password": credentials["password"]}
    tokens = (await client.post("/v1/auth/token", data=form)).json()
    client.headers["Authorization"] = f"{tokens['token_type']} {tokens['access_token']}"

    photo = png((64, 48))
    uploaded = await client.post(
        "/v1/images", files={"image": ("cat on sofa.png", photo, "image/png")}, data={"tags": ["cat, Sofa", "pet"]}
    )
    assert uploaded.status_code == 201, uploaded.text
    image = uploaded.json()
    assert uploaded.headers["location"] == image["links"]["self"]
    assert image["tags"] == ["cat", "pet", "sofa"]
    assert (image["width"], image["height"], image["size"]) == (64, 48, len(photo))
    assert image["sha256"] == hashlib.sha256(photo).hexdigest()
    assert image["uploaded_by"] == created.json()["id"]

    found = (await client.get("/v1/images", params={"q": "cat sofa -dog"})).json()
    assert [one["id"] for one in found["items"]] == [image["id"]]
    assert (await client.get("/v1/images", params={"q": "cat -sofa"})).json()["items"] == []

    content = await client.get(image["links"]["content"])
    assert content.content == photo
    assert content.headers["content-type"] == "image/png"

    tagged = await client.put(f"{image['links']['self']}/tags", json={"tags": ["kitten"]})
    assert tagged.json()["tags"] == ["kitten"]
    assert (await client.get("/v1/images", params={"q": "kitten"})).json()["items"] == [tagged.json()]

    assert (await client.delete(image["links"]["self"])).status_code == 204
    assert (await client.get(image["links"]["self"])).status_code == 404
    assert (await client.get(image["links"]["content"])).status_code == 404
