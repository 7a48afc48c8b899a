"""The attacks on availability, by their number in the list of faults. To add one, write a function and decorate it."""

import io
import itertools
import json
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from PIL import Image

from benchmarks.attacks.target import Target, small_image, upload_form

Run = Callable[[Target], None]
MIB = 1024 * 1024
PART_BYTES = 5 * MIB


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack. `run` repeats it until the time of the target is over."""

    id: str
    name: str
    run: Run


ATTACKS: dict[str, Attack] = {}


def attack(fault: str, name: str) -> Callable[[Run], Run]:
    """Register an attack."""

    def register(run: Run) -> Run:
        ATTACKS[fault] = Attack(fault, name, run)
        return run

    return register


def run_attack(fault: str, target: Target) -> None:
    """Run an attack by its number. This is the entry point of the attacking process."""
    ATTACKS[fault].run(target)


@attack("F1", "combining marks in tag names")
def combining_marks(target: Target) -> None:
    body = {"names": ["a" + "\u0315" * 50_000 + "\u0300" * 50_000]}
    target.in_threads(4, lambda n: target.client(n).post("/v1/tags", body))


@attack("F2", "endless trailers")
def endless_trailers(target: Target) -> None:
    def send(_: int) -> None:
        with target.connect() as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
            while not target.is_over:
                connection.sendall(b"a:\r\n" * 16_384)

    target.in_threads(4, send)


@attack("F4", "sign-ins and sign-ups")
def sign_ins(target: Target) -> None:
    numbers = itertools.count()

    def send(n: int) -> None:
        client, email = target.client(), f"{time.monotonic_ns()}.{next(numbers)}@example.com"
        if n % 2:
            client.sign_in(email)
        else:
            client.post("/v1/users", {"email": email, "password": "a long enough password"})

    target.in_threads(60, send)


@attack("F5", "a megabyte of fill bytes, stripped")
def fill_bytes_stripped(target: Target) -> None:
    whole = jpeg()
    scan = whole.index(b"\xff\xda")
    status, body = target.client(0).upload(whole[:scan] + b"\xff" * MIB + whole[scan:])
    if status != 201:
        return
    path = json.loads(body)["links"]["content"]
    target.in_threads(4, lambda _: target.client(0).send("GET", path))


@attack("F6", "bulk edits of one account")
def bulk_edits(target: Target) -> None:
    uploader = target.client(0)
    for _ in range(100):
        uploader.upload(small_image(), tags="bulk")
    tags = itertools.count()

    def send(_: int) -> None:
        name = f"tag{next(tags) % 50}"
        target.client(0).post("/v1/images/tags", {"q": "bulk", "add": [name], "remove": [f"other {name}"]})

    target.in_threads(30, send)


@attack("F7", "JPEGs of fill bytes")
def fill_bytes(target: Target) -> None:
    target.in_threads(6, lambda n: target.client(n).upload(b"\xff\xd8" + b"\xff" * (MIB + 10)))


@attack("F8", "60 slow uploads of a part each")
def slow_uploads(target: Target) -> None:
    content = jpeg() + b"\0" * (PART_BYTES - 4096 - len(jpeg()))

    def send(n: int) -> None:
        body, headers = upload_form(content)
        lines = {**headers, "Content-Length": str(len(body)), "X-Forwarded-For": "192.0.2.66", "Host": "a"}
        lines["Authorization"] = f"Bearer {target.tokens[n % len(target.tokens)]}"
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        with target.connect() as connection:
            connection.sendall(f"POST /v1/images HTTP/1.1\r\n{head}\r\n".encode() + body[: -(8 * 1024)])
            for byte in body[-(8 * 1024) :]:
                if target.is_over:
                    return
                connection.sendall(struct.pack("B", byte))
                time.sleep(1 / 512)

    target.in_threads(60, send)


@attack("F9", "nested groups in a query")
def nested_groups(target: Target) -> None:
    query = " ".join("1-of:(" * 10 + f"t{number}" + ")" * 10 for number in range(44))
    target.in_threads(4, lambda _: target.client().read("GET", f"/v1/images?{urlencode({'q': query})}"))


@attack("F10", "files of many scans from many accounts")
def many_scans(target: Target) -> None:
    content = many_scan_jpeg(6000)
    target.in_threads(24, lambda n: target.client(n % len(target.tokens)).upload(content))


@attack("F11", "invented query parameters")
def invented_parameters(target: Target) -> None:
    numbers = itertools.count()
    target.in_threads(8, lambda _: target.client().send("GET", f"/v1/images?limit=100&x={next(numbers)}"))


def jpeg() -> bytes:
    """Return a small JPEG."""
    return small_image("JPEG")


def many_scan_jpeg(scans: int) -> bytes:
    """Return a progressive JPEG that repeats its last scan: a few bytes make the decoder visit every block."""
    buffer = io.BytesIO()
    Image.new("L", (3000, 3000), 128).save(buffer, "JPEG", progressive=True, quality=20)
    body = buffer.getvalue()
    start = body.rindex(b"\xff\xda")
    return body[:start] + body[start:-2] * scans + b"\xff\xd9"
