"""Background load: clients in separate processes beside the client that is measured."""

import io
import itertools
import json
import multiprocessing
import random
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from PIL import Image

from benchmarks.dataset import names
from benchmarks.queries import IMAGES
from benchmarks.service import Client

CREATED = 201
CROWD = "192.0.2.1"
# A fork would inherit the connections of this process.
_PROCESSES = multiprocessing.get_context("spawn")


@contextmanager
def writer(url: str, rate: float) -> Iterator[Callable[[], dict[str, float]]]:
    """Upload `rate` images a second. The yielded function returns the accepted and sent numbers after the block."""
    results: Any = _PROCESSES.Queue()
    begun, end = _PROCESSES.Event(), _PROCESSES.Event()
    process = _PROCESSES.Process(target=_write, args=(url, rate, begun, end, results))
    process.start()
    begun.wait(60)
    measured: dict[str, float] = {}
    try:
        yield lambda: measured
    finally:
        end.set()
        measured.update(results.get(timeout=60))
        process.join()


@contextmanager
def searchers(url: str, texts: Sequence[str], number: int) -> Iterator[None]:
    """Repeat these queries from `number` clients of one address."""
    end, begun = _PROCESSES.Event(), _PROCESSES.Barrier(number + 1)
    processes = [_PROCESSES.Process(target=_search, args=(url, texts, start, begun, end)) for start in range(number)]
    for process in processes:
        process.start()
    begun.wait(120)
    try:
        yield
    finally:
        end.set()
        for process in processes:
            process.join()


def _search(url: str, texts: Sequence[str], start: int, begun: Any, end: Any) -> None:
    client = Client(url, CROWD)
    begun.wait(120)
    for text in itertools.islice(itertools.cycle(texts), start, None):
        if end.is_set():
            return
        client.get(IMAGES, {"q": text, "sort": random.choice(("-created", "name", "-size"))})


def _write(url: str, rate: float, begun: Any, end: Any, results: Any) -> None:
    client = Client(url)
    token = sign_up(client)
    image = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(image, "PNG")
    begun.set()
    started, sent, taken = time.monotonic(), 0, 0
    while not end.is_set():
        sent += 1
        taken += upload(client, token, image.getvalue())[0] == CREATED
        time.sleep(max(0, started + sent / rate - time.monotonic()))
    results.put({"sent": sent, "taken": taken, "a_second": round(taken / (time.monotonic() - started), 1)})


def sign_up(client: Client) -> str:
    """Create an account, and return its access token."""
    account = {"email": f"{uuid.uuid4().hex}@example.com", "password": "correct horse battery staple"}
    client.send("POST", "/v1/users", json.dumps(account).encode(), {"Content-Type": "application/json"})
    form = {"grant_type": "password", "username": account["email"], "password": account["password"]}
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    _, body = client.send("POST", "/v1/auth/token", urlencode(form).encode(), kind)
    return str(json.loads(body)["access_token"])


def upload(client: Client, token: str, image: bytes) -> tuple[int, bytes]:
    """Upload a file with seven tags; return the status and the body."""
    boundary = uuid.uuid4().hex
    tags = ",".join(random.sample(names().shared, 5) + random.sample(names().topics, 2))
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="tags"\r\n\r\n{tags}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{boundary}.png"\r\n'
        "Content-Type: image/png\r\n\r\n"
    )
    body = head.encode() + image + f"\r\n--{boundary}--\r\n".encode()
    kind = f"multipart/form-data; boundary={boundary}"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
    return client.send("POST", IMAGES, body, headers)
