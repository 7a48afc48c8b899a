"""kill -9 at each step of an upload and of a delete: acknowledged images exist, and others leave nothing."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import asyncpg
import httpx
import pytest

from app.storage.chunks import PART_BYTES
from tests.faults.conftest import OPEN_TRANSACTIONS, Acknowledged, Behind, well_process
from tests.images.files import noise_png
from tests.support.accounts import Account

Check = Callable[[], Awaitable[None]]


async def has_image(sql: asyncpg.Connection) -> bool:
    """Return whether an image is committed within two seconds."""
    for _ in range(100):
        if await sql.fetchval("SELECT count(*) FROM images"):
            return True
        await asyncio.sleep(0.02)
    return False


@pytest.mark.parametrize(
    ("backend", "hold_at", "hold", "is_stored"),
    [
        pytest.param("store", b"POST /", "before", False, id="key listed", marks=pytest.mark.slow),
        pytest.param("store", b"partNumber=2", "before", False, id="mid-part"),
        pytest.param("store", b"CompleteMultipartUpload", "before", False, id="parts sent", marks=pytest.mark.slow),
        # The values of the statement that makes the image, which is all of its transaction; with a key it is not.
        pytest.param("postgres", b"image/png", "before", False, id="before the row", marks=pytest.mark.slow),
        pytest.param("postgres", b"image/png", "after", True, id="after the row", marks=pytest.mark.slow),
        pytest.param("postgres", b"COMMIT;", "before", False, id="before commit", marks=pytest.mark.slow),
        pytest.param("postgres", b"COMMIT;", "after", True, id="after commit"),
    ],
)
async def test_an_upload(
    behind: Behind,
    user: Account,
    sql: asyncpg.Connection,
    acknowledged: Acknowledged,
    invariants: Check,
    backend: str,
    hold_at: bytes,
    hold: str,
    is_stored: bool,
) -> None:
    body = noise_png(PART_BYTES + PART_BYTES // 2)
    async with well_process(behind.settings) as service:
        proxy = behind.postgres if backend == "postgres" else behind.store
        if hold_at == b"COMMIT;":
            # Other commits come before; the one that counts comes after the parts.
            behind.store.set(hold_at=(b"uploads",), hold="after")
            running = start(user, service.url, body, {"Idempotency-Key": "a"})
            await behind.store.held.wait()
            proxy.set(hold_at=(hold_at,), hold=hold)
            behind.store.set()
        else:
            proxy.set(hold_at=(hold_at,), hold=hold)
            running = start(user, service.url, body)
        async with asyncio.timeout(30):
            await proxy.held.wait()
        if is_stored:
            # The held commit may be one of a background task, which starts with the service.
            while not await has_image(sql):
                proxy.set(hold_at=(hold_at,), hold=hold)
                async with asyncio.timeout(30):
                    await proxy.held.wait()
        service.process.kill()
        with contextlib.suppress(httpx.HTTPError):
            await running
    await recover(behind, sql)
    await invariants()
    async with well_process(behind.settings) as service:
        response = await start(user, service.url, body)
        acknowledged.note(response, body)
        assert response.status_code == (409 if is_stored else 201), response.text
    await invariants()


@pytest.mark.parametrize(
    ("backend", "hold_at", "hold", "is_disconnected"),
    [
        pytest.param("postgres", b"COMMIT;", "before", False, id="before commit", marks=pytest.mark.slow),
        pytest.param("postgres", b"COMMIT;", "after", True, id="after commit", marks=pytest.mark.slow),
        pytest.param("store", b"delete", "before", True, id="mid-delete"),
    ],
)
async def test_a_permanent_delete(
    behind: Behind,
    user: Account,
    sql: asyncpg.Connection,
    invariants: Check,
    backend: str,
    hold_at: bytes,
    hold: str,
    is_disconnected: bool,
) -> None:
    async with well_process(behind.settings) as service:
        links = (await start(user, service.url, noise_png(10_000))).json()["links"]
        proxy = behind.postgres if backend == "postgres" else behind.store
        proxy.set(hold_at=(hold_at,), hold=hold)
        running = asyncio.create_task(user.client.delete(f"{service.url}{links['self']}", params={"permanent": "true"}))
        async with asyncio.timeout(30):
            await proxy.held.wait()
        while is_disconnected and await sql.fetchval("SELECT count(*) FROM images"):
            await asyncio.sleep(0.02)
        service.process.kill()
        with contextlib.suppress(httpx.HTTPError):
            await running
    await recover(behind, sql)
    await invariants()
    assert await sql.fetchval("SELECT count(*) FROM images") == (0 if is_disconnected else 1)


@pytest.mark.slow
@pytest.mark.parametrize(("hold", "is_moved"), [("before", False), ("after", True)])
@pytest.mark.parametrize("is_restore", [False, True])
async def test_a_move_to_or_from_the_trash(
    behind: Behind,
    user: Account,
    sql: asyncpg.Connection,
    invariants: Check,
    hold: str,
    is_moved: bool,
    is_restore: bool,
) -> None:
    body = noise_png(10_000)
    async with well_process(behind.settings) as service:
        image = (await start(user, service.url, body)).json()
        path, in_trash = f"{service.url}{image['links']['self']}", f"{service.url}/v1/trash/{image['id']}"
        if is_restore:
            assert (await user.client.delete(path)).status_code == 204
        behind.postgres.set(hold_at=(b"COMMIT;",), hold=hold)
        request = user.client.post(f"{in_trash}/restore") if is_restore else user.client.delete(path)
        running = asyncio.create_task(request)
        async with asyncio.timeout(30):
            await behind.postgres.held.wait()
        while is_moved and await sql.fetchval("SELECT count(*) FROM trashed_images") == is_restore:
            await asyncio.sleep(0.02)
        service.process.kill()
        with contextlib.suppress(httpx.HTTPError):
            await running
    await recover(behind, sql)
    await invariants()
    moved = ("images", "trashed_images") if is_restore == is_moved else ("trashed_images", "images")
    assert [await sql.fetchval(f"SELECT count(*) FROM {table}") for table in moved] == [1, 0]  # noqa: S608
    async with well_process(behind.settings) as service:
        if is_restore != is_moved:
            assert (await user.client.post(f"{service.url}/v1/trash/{image['id']}/restore")).status_code == 200
        content = await user.client.get(f"{service.url}{image['links']['content']}")
        assert content.content == body


async def recover(behind: Behind, sql: asyncpg.Connection) -> None:
    """Restore the connections to the backends, and wait for the end of the transactions of the killed service."""
    for one in (behind.postgres, behind.store):
        one.set()
        one.cut()
    await until_no_transaction_is_open(sql)


def start(user: Account, url: str, body: bytes, headers: dict[str, str] | None = None) -> asyncio.Task[httpx.Response]:
    files = {"image": ("a.png", body)}
    return asyncio.create_task(user.client.post(f"{url}/v1/images", files=files, headers=headers, timeout=60))


async def until_no_transaction_is_open(sql: asyncpg.Connection) -> None:
    """Wait until the server has noticed that its clients have disconnected."""
    async with asyncio.timeout(30):
        while await sql.fetchval(OPEN_TRANSACTIONS):
            await asyncio.sleep(0.02)
