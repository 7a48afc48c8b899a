"""Notes are created, read, listed in pages and deleted; every error is a problem document."""

import uuid

import httpx

GROCERIES = {"title": "Groceries", "text": "Bread and milk"}


async def test_a_note_is_created_read_and_deleted(client: httpx.AsyncClient) -> None:
    created = await client.post("/v1/notes", json=GROCERIES)
    assert created.status_code == 201
    path = created.headers["Location"]
    assert (await client.get(path)).json() == created.json()
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).json()["type"] == "/problems/note-not-found"


async def test_a_title_in_use_is_a_conflict(client: httpx.AsyncClient) -> None:
    await client.post("/v1/notes", json=GROCERIES)
    refused = await client.post("/v1/notes", json=GROCERIES)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/note-exists")
    assert refused.headers["Content-Type"] == "application/problem+json"


async def test_pages_return_each_note_once_newest_first(client: httpx.AsyncClient) -> None:
    for number in range(5):
        await client.post("/v1/notes", json={"title": f"Note {number}", "text": ""})
    titles, query = [], {"limit": "2"}
    while True:
        page = (await client.get("/v1/notes", params=query)).json()
        titles += [note["title"] for note in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert titles == [f"Note {number}" for number in (4, 3, 2, 1, 0)]


async def test_a_changed_cursor_is_refused(client: httpx.AsyncClient) -> None:
    refused = await client.get("/v1/notes", params={"cursor": "changed"})
    assert (refused.status_code, refused.json()["type"]) == (400, "/problems/invalid-cursor")


async def test_an_unknown_member_is_refused_with_its_place(client: httpx.AsyncClient) -> None:
    refused = await client.post("/v1/notes", json={**GROCERIES, "colour": "red"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"] == ["body", "colour"]


async def test_an_unknown_query_parameter_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/notes", params={"colour": "red"})).status_code == 422


async def test_a_note_that_does_not_exist_is_not_deleted(client: httpx.AsyncClient) -> None:
    assert (await client.delete(f"/v1/notes/{uuid.uuid4()}")).status_code == 404


async def test_a_new_note_reports_its_rate_limit(client: httpx.AsyncClient) -> None:
    created = await client.post("/v1/notes", json=GROCERIES)
    assert "new-notes" in created.headers["RateLimit-Policy"]
