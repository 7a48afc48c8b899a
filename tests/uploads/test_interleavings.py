"""Two clients of one upload: the upload has the acknowledged bytes, and never bytes of both in one append."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import NamedTuple

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.core.settings import Settings
from app.storage.chunks import PART_BYTES
from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.raw_http import RawConnection, RawResponse, raw_connection
from tests.support.server import RunningService, running_service
from tests.uploads.clients import OFFSET_STREAM, PARTIAL_UPLOAD, TUS, checksum

FILE_STEPS = 24
SMALL = 150
# Twelve steps are three parts.
LARGE = PART_BYTES // 4 + 1
# A file of large units has 30 MB.
UNITS = st.sampled_from([SMALL] * 9 + [LARGE])


class Action(StrEnum):
    """The actions of a client."""

    APPEND = "append"
    APPEND_AT_WRONG_OFFSET = "append at a wrong offset"
    APPEND_DAMAGED = "append with a wrong checksum"
    BEGIN = "begin an append"
    FINISH = "send the rest of an append"
    BREAK = "break the connection of an append"
    HEAD = "ask for the offset"
    RACE = "append at the same time as the other client"
    CANCEL = "cancel"


class Step(NamedTuple):
    """An action of one of the clients, and the length of its bytes."""

    client: int
    action: Action
    units: int


STEPS = st.lists(
    st.builds(
        Step,
        st.integers(0, 1),
        # Cancelled uploads have no image to compare, so they are rare.
        st.sampled_from([*(one for one in Action if one is not Action.CANCEL)] * 5 + [Action.CANCEL]),
        st.integers(1, 4),
    ),
    min_size=3,
    max_size=12,
)


@dataclass(slots=True)
class Running:
    """An append whose connection is open, of which the service has a part."""

    connection: RawConnection
    resources: AsyncExitStack
    offset: int
    body: bytes
    sent: int


@dataclass(slots=True)
class Clients:
    """Two clients, and the contents that the upload can have after their requests."""

    account: Account
    urls: tuple[str, str]
    sql: asyncpg.Connection
    is_tus: bool
    unit: int
    picture: bytes = field(default_factory=png)
    random: Random = field(default_factory=lambda: Random(1))
    path: str = ""
    contents: set[bytes] = field(default_factory=lambda: {b""})
    running: dict[int, Running] = field(default_factory=dict)
    is_cancelled: bool = False

    @property
    def length(self) -> int:
        """The length of the file."""
        return FILE_STEPS * self.unit

    async def run(self, steps: list[Step]) -> None:
        """Take the steps, and complete the upload."""
        fields = {**TUS, "Upload-Length": str(self.length)}
        if not self.is_tus:
            fields = {"Upload-Complete": "?0", "Upload-Length": str(self.length)}
        made = await self._request("POST", 0, fields)
        assert made.status_code == 201, made.text
        self.path = made.headers["Location"]
        try:
            for step in steps:
                await self._take(step)
            await self._complete()
        finally:
            for append in self.running.values():
                await append.resources.aclose()

    async def _take(self, step: Step) -> None:
        client, action, size = step.client, step.action, step.units * self.unit
        # The last bytes are those of the completion.
        has_room = self._offset + size < self.length
        match action:
            case Action.APPEND if has_room:
                await self._append(client, self._offset, self._bytes(self._offset, size))
            case Action.APPEND_AT_WRONG_OFFSET if has_room and self._offset > 1:
                await self._append(client, self._offset + step.units - 3, self._bytes(self.length, size))
            case Action.APPEND_DAMAGED if has_room:
                await self._append_damaged(client, self._bytes(self._offset, size))
            case Action.BEGIN if has_room and client not in self.running:
                await self._begin(client, self._bytes(self._offset, size))
            case Action.FINISH if client in self.running:
                await self._finish(client)
            case Action.BREAK if client in self.running:
                await self._close(client)
                await self._head(client)
            case Action.HEAD:
                await self._head(client)
            case Action.RACE if has_room:
                await self._race(size)
            case Action.CANCEL:
                await self._cancel(client)

    @property
    def _offset(self) -> int:
        return max(map(len, self.contents))

    def _bytes(self, offset: int, size: int) -> bytes:
        """Return bytes that no other call returns, but for those of the picture at the start of the file."""
        return self.picture[offset : offset + size] + self.random.randbytes(
            size - len(self.picture[offset : offset + size])
        )

    def _observe(self, offset: int) -> None:
        """Keep the contents that this offset permits: the known bytes, then some bytes of an append that is running."""
        assert offset <= self.length
        possible = {content for content in self.contents if len(content) == offset}
        for append in self.running.values():
            if append.offset < offset <= append.offset + append.sent:
                later = append.body[: offset - append.offset]
                started = {content[: append.offset] + later for content in self.contents}
                possible |= {one for one in started if any(one.startswith(content) for content in self.contents)}
        assert possible, f"the offset {offset} belongs to no acknowledged bytes"
        self.contents = {content for content in possible if len(content) == offset}
        assert self.contents

    def _acknowledge(self, offset: int, body: bytes) -> None:
        self._observe(offset)
        self.contents = {content + body for content in self.contents}

    async def _append(self, client: int, offset: int, body: bytes) -> None:
        response = await self._request("PATCH", client, self._fields(offset), body)
        if self.is_cancelled:
            assert response.status_code == 410
        elif response.is_success:
            self._acknowledge(offset, body)
            assert int(response.headers["Upload-Offset"]) == offset + len(body)
        else:
            assert response.status_code == 409, response.text
            self._observe(int(response.headers["Upload-Offset"]))
            assert self._offset != offset

    async def _append_damaged(self, client: int, body: bytes) -> None:
        offset = await self._head(client)
        fields = {"Upload-Checksum": checksum(b"")} if self.is_tus else {"Content-Digest": "sha-256=:YQ==:"}
        response = await self._request("PATCH", client, {**self._fields(offset), **fields}, body)
        assert response.status_code == (410 if self.is_cancelled else 460 if self.is_tus else 400), response.text
        assert await self._head(client) == offset

    async def _begin(self, client: int, body: bytes) -> None:
        resources = AsyncExitStack()
        connection = await resources.enter_async_context(raw_connection(self.urls[client]))
        token = {"Authorization": f"Bearer {self.account.access_token}", "Content-Length": str(len(body))}
        before = await self._writer()
        await connection.begin("PATCH", self.path, {**self._fields(self._offset), **token})
        sent = self.random.randrange(1, len(body))
        await connection.send(body[:sent])
        self.running[client] = Running(connection, resources, self._offset, body, sent)
        if not self.is_cancelled:
            async with asyncio.timeout(10):
                while await self._writer() in (before, None) and not connection.reader._buffer:  # type: ignore[attr-defined]
                    await asyncio.sleep(0.005)

    async def _writer(self) -> object:
        return await self.sql.fetchval("SELECT writer FROM uploads WHERE id = $1", self.path.rpartition("/")[2])

    async def _finish(self, client: int) -> None:
        append = self.running[client]
        response: RawResponse | None = None
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await append.connection.send(append.body[append.sent :])
            response = await append.connection.read_response()
        if response is not None and response.status == 204:
            assert not self.is_cancelled
            del self.running[client]
            self._acknowledge(append.offset, append.body)
            await append.resources.aclose()
            return
        assert response is None or response.status in (409, 410), response.body
        await self._head(client)
        await self._close(client)

    async def _close(self, client: int) -> None:
        append = self.running[client]
        await append.resources.aclose()
        if not self.is_cancelled:
            await self._head(client)
        del self.running[client]

    async def _head(self, client: int) -> int:
        response = await self._request("HEAD", client, TUS if self.is_tus else {})
        if self.is_cancelled:
            assert response.status_code == 410
            return 0
        assert response.is_success
        offset = int(response.headers["Upload-Offset"])
        self._observe(offset)
        return offset

    async def _race(self, size: int) -> None:
        offset = await self._head(0)
        bodies = [self._bytes(offset, size), self._bytes(offset, size)]
        responses = await asyncio.gather(
            *(self._request("PATCH", client, self._fields(offset), body) for client, body in enumerate(bodies))
        )
        if self.is_cancelled:
            assert [response.status_code for response in responses] == [410, 410]
            return
        assert sorted(response.status_code for response in responses) == [204, 409]
        self._acknowledge(offset, bodies[0 if responses[0].is_success else 1])

    async def _cancel(self, client: int) -> None:
        response = await self._request("DELETE", client, TUS if self.is_tus else {})
        assert response.status_code == (410 if self.is_cancelled else 204)
        self.is_cancelled = True

    async def _complete(self) -> None:
        offset = await self._head(1)
        if self.is_cancelled:
            return
        rest = self._bytes(offset, self.length - offset)
        last = await self._request("PATCH", 0, self._fields(offset, is_last=True), rest)
        assert last.is_success, last.text
        head = await self._request("HEAD", 1, TUS if self.is_tus else {})
        assert int(head.headers["Upload-Offset"]) == self.length
        image = (await self._request("GET", 1, {}, path=head.headers["Content-Location"])).json()
        body = (await self._request("GET", 0, {}, path=image["links"]["content"])).content
        assert body in {content + rest for content in self.contents}
        assert image["sha256"] == hashlib.sha256(body).hexdigest()

    def _fields(self, offset: int, *, is_last: bool = False) -> dict[str, str]:
        if self.is_tus:
            return {**TUS, "Upload-Offset": str(offset), "Content-Type": OFFSET_STREAM}
        return {
            "Upload-Complete": f"?{is_last:d}",
            "Upload-Offset": str(offset),
            "Content-Type": PARTIAL_UPLOAD,
        }

    async def _request(
        self, method: str, client: int, fields: dict[str, str], body: bytes = b"", path: str = ""
    ) -> httpx.Response:
        url = f"{self.urls[client]}{path or self.path or '/v1/uploads'}"
        response = await self.account.client.request(method, url, headers=fields, content=body, timeout=60)
        assert response.status_code < 500, response.text
        return response


@pytest.fixture(scope="module")
async def other_worker(settings: Settings) -> AsyncIterator[RunningService]:
    async with running_service(settings) as service:
        yield service


def interleavings(number: int) -> hypothesis_settings:
    """Return the settings of Hypothesis for this number of examples, which share the account."""
    shared = [HealthCheck.function_scoped_fixture]
    # Shrinking would take minutes, and a race may not fail again.
    phases = [Phase.explicit, Phase.reuse, Phase.generate]
    return hypothesis_settings(max_examples=number, deadline=None, suppress_health_check=shared, phases=phases)


@interleavings(6)
@given(STEPS, st.booleans())
async def test_two_clients_never_mix_their_bytes(
    service: RunningService, user: Account, sql: asyncpg.Connection, steps: list[Step], is_tus: bool
) -> None:
    await Clients(user, (service.url, service.url), sql, is_tus, SMALL).run(steps)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@interleavings(100)
@given(UNITS, STEPS, st.booleans())
async def test_two_clients_of_one_worker_never_mix_their_bytes(
    service: RunningService, user: Account, sql: asyncpg.Connection, unit: int, steps: list[Step], is_tus: bool
) -> None:
    await Clients(user, (service.url, service.url), sql, is_tus, unit).run(steps)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@interleavings(50)
@given(UNITS, STEPS, st.booleans())
async def test_two_clients_of_two_workers_never_mix_their_bytes(
    service: RunningService,
    other_worker: RunningService,
    user: Account,
    sql: asyncpg.Connection,
    unit: int,
    steps: list[Step],
    is_tus: bool,
) -> None:
    await Clients(user, (service.url, other_worker.url), sql, is_tus, unit).run(steps)
