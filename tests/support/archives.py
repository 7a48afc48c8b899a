"""Archives of `export`: their contents, changed ones, and the responses that a round trip keeps."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.support.accounts import Account

SORTS = ("-created", "created", "name", "-size", "width", "-pixels", "tags", "random:7")
QUERIES = (
    "",
    "cat",
    "-cat",
    "feline",
    "k*",
    "visibility:private",
    "uploader:none",
    "tags:>=2",
    "type:jpeg",
    "date:2020",
)
# A restored account has no password.
_VOLATILE = frozenset(("next_cursor", "has_password"))


def files_of(archive: Path) -> dict[str, str]:
    """Return the digest of each file below the archive."""
    paths = (path for path in archive.rglob("*") if path.is_file())
    return {str(path.relative_to(archive)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def digests_of(archive: Path) -> dict[str, str]:
    """Return what SHA256SUMS has."""
    lines = (archive / "SHA256SUMS").read_text().splitlines()
    return {path: digest for digest, _, path in (line.partition("  ") for line in lines)}


def records(archive: Path, name: str) -> list[dict[str, Any]]:
    """Return the members of the accounts or of the vocabulary."""
    return [json.loads(line) for line in (archive / f"{name}.jsonl").read_text().splitlines()]


def sidecars_of(archive: Path) -> dict[str, dict[str, Any]]:
    """Return the sidecars by the names of their images."""
    return {one["name"]: one for one in (json.loads(path.read_text()) for path in archive.glob("images/*/*.json"))}


def seal(archive: Path, lines: Iterable[str] = ()) -> None:
    """Write digests that are valid for the changed files of an archive, with further lines."""
    digests = digests_of(archive)
    current = {path: _digest(archive / path) or digest for path, digest in digests.items()}
    text = "".join(f"{line}\n" for line in (*(f"{digest}  {path}" for path, digest in current.items()), *lines))
    (archive / "SHA256SUMS").write_text(text)
    manifest = json.loads((archive / "manifest.json").read_text())
    manifest["sha256sums"] = hashlib.sha256(text.encode()).hexdigest()
    (archive / "manifest.json").write_text(json.dumps(manifest))


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


async def responses(clients: Mapping[str, httpx.AsyncClient]) -> dict[str, Any]:
    """Return what the service responds to each client, by the client and the path; `admin` gets more, and the bytes."""
    found: dict[str, Any] = {}
    lists = [f"/v1/images?q={query}&count=exact&limit=100" for query in QUERIES]
    lists += ["/v1/tags?sort=count&limit=100", "/v1/tags?prefix=f", "/v1/tags/kitten", "/v1/tags/secret"]
    lists += ["/v1/tags/cat/history", "/v1/users/me", "/v1/users/me/usage", "/v1/trash"]
    every = [f"/v1/images?sort={sort}&limit=100" for sort in SORTS]
    every += ["/v1/users", "/v1/history?limit=100", "/v1/tags/cat/related"]
    for who, client in clients.items():
        for path in (*lists, *(every if who == "admin" else ())):
            found[f"{who} {path}"] = await _json(client, path)
    for image in found[f"admin {lists[0]}"]["items"]:
        links = image["links"]
        for who, client in clients.items():
            found[f"{who} {links['self']}"] = await _json(client, links["self"])
        paths = (f"{links['self']}/history", links["content"], f"{links['self']}/thumbnail?size=160")
        for path in paths:
            response = await clients["admin"].get(path)
            assert response.status_code == 200
            found[path] = (response.headers.get("etag"), hashlib.sha256(response.content).hexdigest())
    return found


async def _json(client: httpx.AsyncClient, path: str) -> Any:
    response = await client.get(path)
    body = response.json()
    if response.status_code >= 400:
        return response.status_code
    return _steady(body)


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _steady(one) for key, one in value.items() if key not in _VOLATILE}
    return [_steady(one) for one in value] if isinstance(value, list) else value


async def keep_sessions(sql: asyncpg.Connection, sessions: list[asyncpg.Record]) -> None:
    """Insert sessions again, so that the clients of restored accounts stay signed in."""
    for row in sessions:
        columns, places = ", ".join(row.keys()), ", ".join(f"${number}" for number in range(1, len(row) + 1))
        await sql.execute(f"INSERT INTO user_sessions ({columns}) VALUES ({places})", *row.values())  # noqa: S608


def client_map(**accounts: Account | httpx.AsyncClient) -> dict[str, httpx.AsyncClient]:
    """Return the clients by name."""
    return {name: one.client if isinstance(one, Account) else one for name, one in accounts.items()}
