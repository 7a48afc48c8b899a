"""The decoders' queue, and processes that do not end as they should."""

import asyncio
import errno
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from app.core.settings import Settings
from app.media import decoder_pool
from app.media.decoder_pool import DecoderInput, DecoderPool, _Decoder
from app.media.errors import DecodersBusy, DecodersUnavailable
from tests.images.hostile import scan_bomb
from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.server import running_service

NOWHERE = 9
UPLOADS = 8


async def test_one_client_with_many_slow_files_makes_no_other_client_wait(
    settings: Settings, user: Account, make_account: Callable[..., Awaitable[Account]]
) -> None:
    body = scan_bomb(150)
    other = await make_account()
    async with running_service(settings.model_copy(update={"decoder_processes": 1})) as service:

        async def send(account: Account, name: str, body: bytes) -> int:
            files = {"image": (name, body)}
            return (await account.client.post(f"{service.url}/v1/images", files=files, timeout=120)).status_code

        slow = [asyncio.create_task(send(user, f"{number}.jpg", body)) for number in range(UPLOADS)]
        await asyncio.wait(slow, return_when=asyncio.FIRST_COMPLETED)
        assert await send(other, "a.png", png()) == 201
        served = sum(task.done() for task in slow)
        assert set(await asyncio.gather(*slow)) == {201}
    assert served <= UPLOADS // 2


async def test_a_request_that_waits_too_long_for_a_decoder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_pool, "QUEUE_SECONDS", 0.01)
    decoders = DecoderPool(1, 10**8, NOWHERE)
    body = png()
    file = DecoderInput("image/png", len(body), [body])
    async with decoders._slot():
        with pytest.raises(DecodersBusy):
            await decoders.check(file)
    monkeypatch.undo()
    await decoders.check(file)
    await decoders.close()


@pytest.fixture
async def deserter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> _Decoder:
    """A process that closes its end and lives on."""
    program = tmp_path / "program.py"
    program.write_text("import os, time; os.close(0); os.close(1); time.sleep(600)")
    monkeypatch.setattr(decoder_pool, "PROGRAM", program)
    return await _Decoder.start(NOWHERE)


async def test_a_process_that_closes_its_pipe_is_killed(deserter: _Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_pool, "EXIT_TIMEOUT_SECONDS", 0.1)
    async with asyncio.timeout(30):
        assert await DecoderPool(1, 10**8, NOWHERE)._attempt(deserter, {}, []) is None
        while await deserter.exit_code() is None:
            pass


async def test_a_process_that_closes_its_pipe_is_killed_after_a_cancellation(deserter: _Decoder) -> None:
    task = asyncio.create_task(DecoderPool(1, 10**8, NOWHERE)._attempt(deserter, {}, []))
    while not deserter._writer.is_closing():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        assert await deserter.exit_code() == -signal.SIGKILL


@pytest.mark.parametrize("failing", ["socket.socketpair", "subprocess.Popen", "asyncio.open_unix_connection"])
async def test_a_decoder_that_cannot_be_started_is_reported_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    sockets: list[socket.socket] = []
    processes: list[subprocess.Popen[bytes]] = []
    start_process, create_pair = subprocess.Popen, socket.socketpair

    def record_pair() -> tuple[socket.socket, socket.socket]:
        pair = create_pair()
        sockets.extend(pair)
        return pair

    def record_process(*arguments: Any, **options: Any) -> "subprocess.Popen[bytes]":
        processes.append(start_process(*arguments, **options))
        return processes[-1]

    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("socket.socketpair", record_pair)
    monkeypatch.setattr("subprocess.Popen", record_process)
    monkeypatch.setattr(failing, fail)
    with pytest.raises(DecodersUnavailable):
        await _Decoder.start(NOWHERE)
    # Not all files of this process: other tests' connections open and close meanwhile.
    assert [end for end in sockets if end.fileno() != -1] == []
    assert [process for process in processes if process.returncode is None] == []
    assert len(sockets) == (0 if failing == "socket.socketpair" else 2)
    assert len(processes) == (1 if failing == "asyncio.open_unix_connection" else 0)
