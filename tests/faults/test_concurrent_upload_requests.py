"""Many clients send every request of both protocols to the same uploads at once: no 5xx, no other bytes, no rest."""

import asyncio
import hashlib
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
import pytest

from app.storage.chunks import PART_BYTES
from app.storage.object_store import ObjectStore
from tests.faults.conftest import Acknowledged
from tests.images.files import noise_png
from tests.support.accounts import Account
from tests.uploads.clients import TUS, HttpClient, TusClient, checksum

logger = logging.getLogger(__name__)

SMALL, LARGE = 60_000, PART_BYTES + 400_000
CLIENTS = 4
SECONDS = 60
# A request of a client may end the one of another, or the upload; the queue may be full.
STATUSES = {200, 201, 204, 400, 409, 410, 413, 429, 460}


@dataclass(slots=True)
class ContestedUpload:
    """An upload and the requests that its clients send at once."""

    account: Account
    random: random.Random
    body: bytes
    is_tus: bool
    statuses: Counter[tuple[str, int]]
    url: str = ""
    acknowledged: int = 0
    images: set[str] = field(default_factory=set)

    async def create(self) -> None:
        """Create the upload."""
        if self.is_tus:
            made = await TusClient(self.account).create(len(self.body))
        else:
            made = await HttpClient(self.account).create(complete=False, length=len(self.body))
        assert made.status_code == 201, made.text
        self.url = made.headers["Location"]

    async def use(self, requests: int) -> None:
        """Send requests, one after the other."""
        actions = [self._append, self._append, self._append, self._append_damaged, self._head, self._guess]
        for _ in range(requests):
            action = self.random.choice(actions) if self.random.random() < 0.97 else self._cancel
            response = await action()
            self.statuses[(action.__name__, response.status_code)] += 1
            is_busy = response.status_code == 503 and response.json()["type"] == "/problems/uploads-busy"
            assert is_busy or response.status_code in STATUSES, (action.__name__, response.status_code, response.text)
            if "Content-Location" in response.headers:
                self.images.add(response.headers["Content-Location"])

    async def end(self) -> None:
        """Send what the upload lacks. Its image, if it has one, has the bytes of the file."""
        head = await self._head()
        if head.status_code == 410 and not self.images:
            return
        if head.status_code != 410 and "Content-Location" not in head.headers:
            offset = int(head.headers["Upload-Offset"])
            response = await self._send(offset, self.body[offset:], is_last=True)
            assert response.status_code in (201, 204), response.text
            head = await self._head()
        self.images.add(head.headers["Content-Location"])
        (path,) = self.images
        image = (await self.account.client.get(path)).json()
        assert image["sha256"] == hashlib.sha256(self.body).hexdigest()

    async def _append(self) -> httpx.Response:
        head = await self._head()
        if not head.is_success or "Content-Location" in head.headers:
            return head
        offset = int(head.headers["Upload-Offset"])
        assert offset >= self.acknowledged
        end = min(offset + self.random.choice((1, 10_000, len(self.body) // 3, len(self.body))), len(self.body))
        acknowledged = self.acknowledged
        response = await self._send(offset, self.body[offset:end], is_last=end == len(self.body))
        if response.is_success and end < len(self.body):
            self.acknowledged = max(acknowledged, self.acknowledged, end)
        return response

    async def _append_damaged(self) -> httpx.Response:
        fields = {**TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": str(self.acknowledged)}
        body = bytes(self.random.choice((1, 30_000, len(self.body))))[: len(self.body) - self.acknowledged]
        fields["Upload-Checksum"] = checksum(b"other bytes")
        return await self.account.client.patch(self.url, headers=fields, content=body, timeout=SECONDS)

    async def _guess(self) -> httpx.Response:
        offset = self.random.randint(0, len(self.body))
        return await self._send(offset, self.body[offset:], is_last=True)

    async def _head(self) -> httpx.Response:
        # It waits for the append that it ends.
        headers = TUS if self.is_tus else {}
        return await self.account.client.head(self.url, headers=headers, timeout=SECONDS)

    async def _cancel(self) -> httpx.Response:
        return await self.account.client.delete(self.url, headers=TUS if self.is_tus else {}, timeout=SECONDS)

    async def _send(self, offset: int, body: bytes, *, is_last: bool) -> httpx.Response:
        if self.is_tus:
            return await TusClient(self.account).append(self.url, offset, body)
        return await HttpClient(self.account).append(self.url, offset, body, complete=is_last)


@pytest.mark.parametrize(
    ("uploads", "requests"), [(2, 4), pytest.param(30, 15, marks=pytest.mark.slow)], ids=["few", "many"]
)
@pytest.mark.timeout(900)
async def test_clients_of_one_upload_get_no_server_error(
    user: Account,
    empty_bucket: ObjectStore,
    acknowledged: Acknowledged,
    invariants: Callable[[], Awaitable[None]],
    uploads: int,
    requests: int,
) -> None:
    assert empty_bucket.bucket
    seed = random.randrange(1_000_000)
    logger.info("seed %d", seed)
    chance, statuses = random.Random(seed), Counter[tuple[str, int]]()
    contested = [
        ContestedUpload(user, chance, noise_png(LARGE if number % 4 == 3 else SMALL), number % 2 == 0, statuses)
        for number in range(uploads)
    ]
    for upload in contested:
        await upload.create()
    await asyncio.gather(*(upload.use(requests) for upload in contested for _ in range(CLIENTS)))
    logger.info("%s", sorted(statuses.items()))
    for upload in contested:
        await upload.end()
        for path in upload.images:
            acknowledged.bodies[f"{path}/content"] = upload.body
    await invariants()
