"""One thumbnail, asked of two workers by many at once: it is made once."""

import asyncio
from contextlib import ExitStack

import httpx

from app.core.settings import Settings
from app.storage.object_store import ObjectStore
from tests.images.files import noise_jpeg
from tests.support.accounts import Account
from tests.support.processes import decoders, service_process

CLIENTS = 50


async def test_it_is_made_once(settings: Settings, user: Account, object_store: ObjectStore) -> None:
    await object_store.remove([one.key async for one in object_store.list_objects()])
    made = await user.client.post("/v1/images", files={"image": ("a.jpg", noise_jpeg(2_000_000))})
    path = f"{made.json()['links']['thumbnail']}?size=640"
    with ExitStack() as stack:
        workers = [stack.enter_context(service_process(settings)) for _ in range(2)]
        async with httpx.AsyncClient(timeout=60) as client:
            urls = [f"{workers[number % 2].url}{path}" for number in range(CLIENTS)]
            responses = await asyncio.gather(*(client.get(url) for url in urls))
        assert {response.status_code for response in responses} == {200}
        assert len({response.content for response in responses}) == 1
        assert sum(len(decoders(worker.process)) for worker in workers) == 1
    assert len([one async for one in object_store.list_objects()]) == 2
