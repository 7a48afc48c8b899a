"""Clients of the service, with a list of the writes that it has acknowledged."""

import asyncio
import hashlib
import io
import itertools
import os
import random
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from PIL import Image

CREATED, OK = 201, 200
TAGS = [f"tag {number}" for number in range(40)]
# The operations of a client and their weights.
MIX = {"upload": 30, "tag": 20, "read": 30, "search": 20}
CLIENTS = 6


@dataclass(slots=True)
class Phase:
    """The results of a period: responses and errors by operation, and the longest gap without an acknowledgement."""

    name: str
    responses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    longest_gap: float = 0.0
    last_upload: float = field(default_factory=time.monotonic)
    wrong: list[str] = field(default_factory=list)

    def uploaded(self) -> None:
        """Record that an upload was acknowledged now."""
        self.close()
        self.last_upload = time.monotonic()

    def close(self) -> None:
        """Take the time since the last acknowledged upload into account."""
        self.longest_gap = max(self.longest_gap, time.monotonic() - self.last_upload)


class Load:
    """A steady load through the balancer. `images` and `tags` hold every write that was acknowledged."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url, self._session = url, session
        self._numbers = itertools.count()
        self._headers: dict[str, str] = {}
        self.images: dict[str, str] = {}
        self.tags: dict[str, set[str]] = {}
        self.answered: set[str] = set()
        self.phase = Phase("start")

    async def sign_in(self) -> None:
        """Create an account, and a token that is valid for the whole run."""
        account = {"email": f"{uuid.uuid4().hex}@example.com", "password": "correct horse battery staple"}
        async with self._session.post(f"{self._url}/v1/users", json=account) as response:
            response.raise_for_status()
        form = {"grant_type": "password", "username": account["email"], "password": account["password"]}
        async with self._session.post(f"{self._url}/v1/auth/token", data=form) as response:
            response.raise_for_status()
            self._headers = {"Authorization": f"Bearer {(await response.json())['access_token']}"}

    async def run(self, stop: asyncio.Event) -> None:
        """Send requests until `stop` is set."""
        await asyncio.gather(*(self._client(stop) for _ in range(CLIENTS)))

    async def _client(self, stop: asyncio.Event) -> None:
        operations = {"upload": self._upload, "tag": self._tag, "read": self._read, "search": self._search}
        while not stop.is_set():
            name = "upload" if not self.images else random.choices(list(MIX), list(MIX.values()))[0]
            phase = self.phase
            try:
                await operations[name]()
            except _Refused as error:
                phase.errors[f"{name}: {error}"] += 1
            except (aiohttp.ClientError, TimeoutError) as error:
                phase.errors[f"{name}: {type(error).__name__}"] += 1
            else:
                phase.responses[name] += 1
                if name == "upload":
                    phase.uploaded()

    async def _upload(self) -> None:
        body = _picture()
        tags = random.sample(TAGS, 3)
        form = aiohttp.FormData()
        form.add_field(
            "image", body, filename=f"{next(self._numbers)}-{uuid.uuid4().hex}.png", content_type="image/png"
        )
        form.add_field("tags", ",".join(tags))
        response, _ = await self._request("POST", "/v1/images", data=form)
        self.images[response["id"]] = hashlib.sha256(body).hexdigest()
        self.tags.setdefault(response["id"], set()).update(tags)

    async def _tag(self) -> None:
        image, tag = random.choice(list(self.images)), random.choice(TAGS)
        await self._request("POST", f"/v1/images/{image}/tags", json={"tags": [tag]})
        self.tags[image].add(tag)

    async def _read(self) -> None:
        image = random.choice(list(self.images))
        await self._request("GET", f"/v1/images/{image}")
        _, body = await self._request("GET", f"/v1/images/{image}/content")
        if hashlib.sha256(body).hexdigest() != self.images[image]:
            self.phase.wrong.append(image)

    async def _search(self) -> None:
        await self._request("GET", "/v1/images", params={"q": f'"{random.choice(TAGS)}" -"{random.choice(TAGS)}"'})

    async def _request(self, method: str, path: str, **values: Any) -> tuple[dict[str, Any], bytes]:
        request_id = uuid.uuid4().hex
        headers = {**self._headers, "X-Request-ID": request_id}
        async with self._session.request(method, f"{self._url}{path}", headers=headers, **values) as response:
            body = await response.read()
            # The balancer's own responses have no request id.
            if response.headers.get("X-Request-ID") == request_id:
                self.answered.add(request_id)
            is_json = "json" in response.content_type
            document = await response.json(content_type=None) if is_json else {}
            if response.status not in (OK, CREATED):
                raise _Refused(f"{response.status} {str(document.get('type', '')).removeprefix('/problems/')}".strip())
            return document, body

    async def lost(self) -> list[str]:
        """Read back all acknowledged writes; return those that are missing or differ."""
        limit = asyncio.Semaphore(CLIENTS)
        found = await asyncio.gather(*(self._check(image, limit) for image in self.images))
        return [problem for problem in found if problem]

    async def _check(self, image: str, limit: asyncio.Semaphore) -> str | None:
        async with limit:
            try:
                document, _ = await self._request("GET", f"/v1/images/{image}")
                _, body = await self._request("GET", f"/v1/images/{image}/content")
            except (_Refused, aiohttp.ClientError, TimeoutError) as error:
                return f"{image}: {error!r}"
        if hashlib.sha256(body).hexdigest() != self.images[image]:
            return f"{image}: other bytes"
        missing = self.tags[image] - set(document["tags"])
        return f"{image}: without {missing}" if missing else None


class _Refused(Exception):
    """A response that is an error: its status and the slug of its problem."""


def _picture() -> bytes:
    """Return a unique PNG of 10 to 60 KB."""
    side = random.randint(60, 140)
    buffer = io.BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(3 * side * side)).save(buffer, "PNG")
    return buffer.getvalue()
