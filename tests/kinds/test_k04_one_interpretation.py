"""K4: a header field has one interpretation.

Each field on which a decision depends is sent as a trailer, twice, and malformed. It is treated as absent or refused.
The fields are those of the OpenAPI document, those that the source reads, and those that may not be repeated.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import app
from app.serving.request_head import SINGLE_FIELDS
from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.raw_http import RawConnection, RawResponse, raw_connection
from tests.support.server import RunningService

pytestmark = pytest.mark.integration

SOURCE_PATTERN = re.compile(r'headers\.(?:get|getlist)\("([a-z-]+)"')
# Repeated lines of these are combined, with an effect (RFC 9110, 5.3).
LISTS = {"accept", "cookie", "expect", "if-match", "if-none-match", "transfer-encoding"}
# The framing: sent as a trailer or malformed, they are errors of the message (tests/serving/test_rfc9112.py).
FRAMING = {"content-length", "host", "transfer-encoding", "expect"}
MALFORMED = [
    "",
    "\xff\xfe",
    "a" * 6000,
    ",,;=",
    '"',
    "[",
    "-1",
    "9" * 400,
    "W/",
    "Bearer",
    "a\tb",
    "Bearer \xe9.\xe9.\xe9",
]


@dataclass(frozen=True, slots=True)
class Request:
    """A request, without the field that is under test."""

    method: str
    path: str
    fields: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    async def send(self, connection: RawConnection, *lines: str, trailer: str = "") -> RawResponse:
        """Send it with these lines in the header section or in the trailer section."""
        names = {line.partition(":")[0].lower() for line in lines}
        kept = [f"{name}: {value}" for name, value in self.fields.items() if name.lower() not in names]
        start = [f"{self.method} {self.path} HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", *kept, *lines]
        chunk = b"%x\r\n%b\r\n" % (len(self.body), self.body) if self.body else b""
        trailers = trailer.encode("latin-1") + b"\r\n" if trailer else b""
        await connection.send("\r\n".join([*start, "", ""]).encode("latin-1") + chunk + b"0\r\n" + trailers + b"\r\n")
        return await connection.read_response()


def read_fields(document: dict[str, Any]) -> list[str]:
    """Return the names of all fields that the service reads, in lower case."""
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    parameters = [*document["components"].get("parameters", {}).values()]
    parameters += [
        one for operation in operations if isinstance(operation, dict) for one in operation.get("parameters", ())
    ]
    documented = {one["name"].lower() for one in parameters if one.get("in") == "header"}
    source = "".join(file.read_text() for file in Path(app.__path__[0]).rglob("*.py"))
    names = documented | set(SOURCE_PATTERN.findall(source)) | {name.decode() for name in SINGLE_FIELDS}
    return sorted(names | {"cookie", "x-forwarded-for", "x-forwarded-proto", "x-request-id"})


@pytest.fixture
async def requests(user: Account) -> list[Request]:
    """Requests that together read most fields."""
    made = (await user.client.post("/v1/images", files={"image": ("a.png", png())})).json()
    signed_in = {"Authorization": f"Bearer {user.access_token}"}
    json = {"Content-Type": "application/json"}
    form = b'--b\r\nContent-Disposition: form-data; name="visibility"\r\n\r\nx\r\n--b--\r\n'
    return [
        Request("GET", made["links"]["self"], signed_in),
        Request("GET", made["links"]["content"]),
        Request("PATCH", made["links"]["self"], signed_in | json, b'{"visibility": "public"}'),
        Request("POST", "/v1/images", signed_in | {"Content-Type": "multipart/form-data; boundary=b"}, form),
        Request("POST", "/ops/login", {"Content-Type": "application/x-www-form-urlencoded"}, b"email=a&password=b"),
        Request("GET", "/ops"),
    ]


def test_k04_fields_are_found(running: RunningService) -> None:
    found = set(read_fields(running.app.openapi()))
    assert {"authorization", "if-match", "if-none-match", "idempotency-key", "origin", "range", "user-agent"} <= found


async def test_k04_a_field_in_a_trailer_is_absent(running: RunningService, requests: list[Request]) -> None:
    wrong = []
    for request in requests:
        for name in set(read_fields(running.app.openapi())) - FRAMING:
            async with raw_connection(running.url) as connection:
                absent = await request.send(connection)
                values = ("*", request.fields.get("Authorization", "Bearer x"), "bytes=0-0")
                trailer = "\r\n".join(f"{name}: {value}" for value in values)
                if (await request.send(connection, trailer=trailer)).status != absent.status:
                    wrong.append((request.path, name))
    assert wrong == []


async def test_k04_a_repeated_field_is_refused_or_absent(running: RunningService, requests: list[Request]) -> None:
    wrong = []
    for request in requests:
        async with raw_connection(running.url) as connection:
            absent = (await request.send(connection)).status
        for name in set(read_fields(running.app.openapi())) - LISTS:
            first = request.fields.get(name.title(), "bytes=0-0")
            async with raw_connection(running.url) as connection:
                status = (await request.send(connection, f"{name}: {first}", f"{name}: b")).status
            is_refused = status == 400 or (400 < status < 500 and name.encode() not in SINGLE_FIELDS)
            if not is_refused and (status != absent or name.encode() in SINGLE_FIELDS):
                wrong.append((request.path, name, status))
    assert wrong == []


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
async def test_k04_a_malformed_field_is_never_a_server_error(
    running: RunningService, requests: list[Request], step: int
) -> None:
    wrong = []
    cases = [(name, value) for name in read_fields(running.app.openapi()) for value in MALFORMED]
    # The short run has each field and each value, in changing combinations with the requests.
    for name, value, request in [(*case, request) for case in cases for request in requests][::step]:
        async with raw_connection(running.url) as connection:
            status = (await request.send(connection, f"{name}: {value}")).status
        if status >= 500 and name not in FRAMING:
            wrong.append((request.path, name, value[:20], status))
    assert wrong == []
