"""Hostile header fields of both upload protocols: documented 4xx problem documents, in linear time."""

import asyncio
import base64
import itertools
import time
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from starlette.datastructures import Headers

from app.core.errors import AppError
from app.core.settings import Settings
from app.uploads.protocols.resumable_http import ResumableHttp
from app.uploads.protocols.tus import Tus
from tests.support.accounts import Account
from tests.support.examples import examples
from tests.support.raw_http import RawResponse, raw_connection
from tests.uploads.clients import OFFSET_STREAM, PARTIAL_UPLOAD, TUS, TusClient

Fields = dict[str, str]
# A head may have 64 KiB.
LONG = 60_000
# A quadratic step would need minutes for LONG bytes.
MAX_SECONDS = 0.25
DOCUMENTED = {400, 404, 405, 409, 410, 411, 412, 413, 415, 422, 431, 460, 501, 505}
# One of latin-1 without the characters that end a line or a field.
RAW = st.text(st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"), max_size=40)
NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(["", "-0", "+1", "1.0", "1e3", "0x10", "00", " 1", "1;a=b", "1, 2", "9" * 400, "\xb2", "1_000"]),
)
TEXTS = st.one_of(
    RAW.map(lambda text: text.encode("latin-1")), st.sampled_from([b"a\x00b", b"\x7f", b"\xff", b"\xe2\x80\xae"])
)
VALUES = st.one_of(
    TEXTS.map(lambda value: base64.b64encode(value).decode()), st.sampled_from(["!", "YQ", "YQ=", "Y Q==", "=", ""])
)
KEYS = st.sampled_from(["filename", "tags", "visibility", "on_conflict", "sha256", "other", "", "\xe4"])
METADATA = st.one_of(RAW, st.lists(st.builds("{} {}".format, KEYS, VALUES), max_size=4).map(",".join))
CHECKSUMS = st.one_of(RAW, st.builds("{} {}".format, st.sampled_from(["sha1", "sha256", "md5", "SHA1", ""]), VALUES))
DISPOSITIONS = st.one_of(
    RAW,
    st.builds('inline; filename="{}"'.format, RAW),
    st.builds("inline; filename*=UTF-8''{}".format, st.sampled_from(["%", "%00", "%zz", "%FF", "a%2Fb", "%E2%80%AE"])),
)
FLAGS = st.one_of(RAW, st.sampled_from(["?0", "?1", "?2", "1", "true", "?1;a", "?1, ?0"]))
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "Tus-Resumable": st.one_of(st.just("1.0.0"), RAW, st.sampled_from(["0.2.2", "1.0", "1.0.0, 1.0.0", "1.0.0 "])),
        "Upload-Offset": NUMBERS,
        "Upload-Length": NUMBERS,
        "Upload-Complete": FLAGS,
        "Upload-Defer-Length": st.one_of(NUMBERS, st.just("1")),
        "Upload-Metadata": METADATA,
        "Upload-Checksum": CHECKSUMS,
        "Content-Digest": st.one_of(RAW, VALUES.map("sha-256=:{}:".format)),
        "Content-Disposition": DISPOSITIONS,
        "Content-Type": st.one_of(st.sampled_from([OFFSET_STREAM, PARTIAL_UPLOAD]), RAW),
        "X-HTTP-Method-Override": st.sampled_from(["PATCH", "HEAD", "DELETE", "GET", ""]),
    },
)
LENGTHS = st.one_of(st.just("1"), NUMBERS)
# Repeated, each would be slow for a parser that goes back.
PATTERNS = [
    ",", ", ", "a,", "a YQ==,", " ", "\t", "=", ";", "; ", ";a", ";a=", '"', '\\"', "%", "%41", "''",
    "sha-256=:", ",sha-256=:", ", sha-256=", "sha1 ", "1", "-", "?1;", "filename*=", ";filename=a", "\xe4",
]  # fmt: skip


# Each field, and a start that reaches the later steps of its parser.
STARTS = {
    "Upload-Offset": "",
    "Upload-Length": "",
    "Upload-Complete": "",
    "Upload-Defer-Length": "",
    "Upload-Metadata": "filename YQ==,",
    "Upload-Checksum": "sha1 ",
    "Content-Digest": "sha-256=:",
    "Content-Disposition": "inline; filename=",
    "Content-Type": "application/",
}


class Parser(NamedTuple):
    """A parser of one of the protocols, and the media type that it accepts."""

    parse: Callable[[Headers], object]
    media_type: str

    def refusal(self, fields: Fields) -> int | None:
        """Return the status of the error; None if the fields are right."""
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in fields.items()]
        try:
            self.parse(Headers(raw=raw))
        except AppError as error:
            return error.status
        return None


def parsers() -> list[Parser]:
    """Return the parsers of both protocols."""
    tus, http = Tus(), ResumableHttp(Settings(_env_file=None))
    return [
        Parser(tus.parse_creation, OFFSET_STREAM),
        Parser(tus.parse_append, OFFSET_STREAM),
        Parser(http.parse_creation, PARTIAL_UPLOAD),
        Parser(http.parse_append, PARTIAL_UPLOAD),
    ]


@examples(1)
@given(FIELDS)
def test_a_parser_returns_or_raises_a_client_error(fields: Fields) -> None:
    for parser in parsers():
        assert parser.refusal({"Content-Type": parser.media_type, **fields}) in {None, *DOCUMENTED}


@pytest.mark.parametrize("name", STARTS)
def test_a_long_field_costs_linear_time(name: str) -> None:
    right = {"Upload-Offset": "0", "Upload-Complete": "?1", "Content-Length": "1"}
    for pattern, parser in itertools.product(PATTERNS, parsers()):
        long = (STARTS[name] + pattern * LONG)[:LONG]
        started = time.process_time()
        assert parser.refusal({"Content-Type": parser.media_type, **right, name: long}) in {None, *DOCUMENTED}
        assert time.process_time() - started < MAX_SECONDS, (name, pattern)


async def send(account: Account, method: str, path: str, fields: Fields) -> RawResponse | None:
    """Send a request with a body of one byte. Return None if the service waits for more bytes."""
    async with raw_connection(str(account.client.base_url)) as connection:
        token = {"Authorization": f"Bearer {account.access_token}"}
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in {**token, **fields}.items()]
        await connection.send("\r\n".join([*lines, "", "x"]).encode("latin-1"))
        waits = fields["Content-Length"].strip() not in ("0", "1")
        try:
            async with asyncio.timeout(0.5 if waits else 20):
                return await connection.read_response()
        except TimeoutError:
            assert waits, "the service does not respond"
            return None


async def check(account: Account, method: str, path: str, fields: Fields) -> None:
    """Send a request, and check the response."""
    response = await send(account, method, path, fields)
    if response is None or response.status < 400:
        return
    assert response.status in DOCUMENTED, response.body
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == response.status
    assert response.json()["detail"]


def hostile(number: int) -> hypothesis_settings:
    """Return the settings of Hypothesis for this number of examples, which share the account."""
    shared, phases = [HealthCheck.function_scoped_fixture], [Phase.explicit, Phase.reuse, Phase.generate]
    return hypothesis_settings(max_examples=number, deadline=None, suppress_health_check=shared, phases=phases)


REQUESTS = st.lists(
    st.tuples(st.sampled_from(["POST", "PATCH", "GET", "DELETE"]), FIELDS, LENGTHS), min_size=1, max_size=8
)


async def send_all(account: Account, requests: list[tuple[str, Fields, str]]) -> None:
    url = (await TusClient(account).create(100)).headers["Location"]
    for method, fields, length in requests:
        for path in ("/v1/uploads", url) if method == "POST" else (url,):
            await check(account, method, path, {**fields, "Content-Length": length})
    assert (await account.client.get("/v1/uploads")).status_code == 200
    await account.client.delete(url, headers=TUS)


@pytest.mark.integration
@hostile(6)
@given(REQUESTS)
async def test_hostile_fields_are_refused(user: Account, requests: list[tuple[str, Fields, str]]) -> None:
    await send_all(user, requests)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.integration
@hostile(1000)
@given(REQUESTS)
async def test_many_hostile_fields_are_refused(user: Account, requests: list[tuple[str, Fields, str]]) -> None:
    await send_all(user, requests)
