"""Requirements of RFC 9112 and RFC 9110 for servers, as tables: section, request, status."""

import asyncio
import re

import pytest

from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.raw_http import raw_connection
from tests.support.server import RunningService

SMUGGLED = b"GET /v1/users HTTP/1.1\r\nHost: smuggled\r\n\r\n"


def get(*lines: str, target: str = "/healthz", version: str = "HTTP/1.1") -> bytes:
    """A request without content."""
    return "\r\n".join([f"GET {target} {version}", *lines, "", ""]).encode("latin-1")


def post(*lines: str, body: bytes = b"", version: str = "HTTP/1.1") -> bytes:
    """A request with content, and one hidden in it."""
    return "\r\n".join([f"POST /healthz {version}", *lines, "", ""]).encode("latin-1") + body + SMUGGLED


def chunked(body: bytes) -> bytes:
    """A chunked request with this encoded body."""
    return post("Host: x", "Transfer-Encoding: chunked", body=body)


HOST = "Host: x"
HOSTS = ["[::1]:80", "a_b", "a.example:", "127.0.0.1:8000", "a%20b"]
NO_HOSTS = ["[", "a b", "a/b", "a@b", "a:b", "a,b c", "a%2", "a:123456", "\xe9", "[::1]x"]
EMPTY = b"0\r\n\r\n"
REFUSED = [
    # F41
    ("9112 3.2, no Host", get(), 400),
    ("9112 3.2, two Host fields", get(HOST, HOST), 400),
    ("9112 3.2, two Host fields, HTTP/1.0", get(HOST, "Host: y", version="HTTP/1.0"), 400),
    ("9112 3, no version", b"GET /healthz\r\n\r\n", 400),
    ("9112 3, HTTP/0.9", get(HOST, version="HTTP/0.9"), 400),
    ("9110 15.6.6, HTTP/2.0", get(HOST, version="HTTP/2.0"), 505),
    ("9110 15.6.6, HTTP/3.0", get(HOST, version="HTTP/3.0"), 505),
    ("9113 3.4, connection preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("9112 6.1, coding that is not implemented", post(HOST, "Transfer-Encoding: gzip, chunked", body=EMPTY), 501),
    ("9112 6.1, codings in two lines", post(HOST, "Transfer-Encoding: gzip", "Transfer-Encoding: chunked"), 501),
    ("9110 10.1.1, unknown expectation", get(HOST, "Expect: 200-ok"), 417),
    ("9110 10.1.1, expectation among others", get(HOST, "Expect: 100-continue, 200-ok"), 417),
    ("9110 9.1, unknown method", b"FOO /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 501),
    ("9110 9.1, methods are case-sensitive", b"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 501),
    ("9110 9.3.6, CONNECT", b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", 501),
    ("9110 9.1, method of RTSP", b"DESCRIBE /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 501),
    ("9112 2.3, RTSP", b"SETUP /healthz RTSP/1.0\r\nHost: x\r\n\r\n", 501),
    # Host and target
    *((f"9110 7.2, Host {value!r}", get(f"Host: {value}"), 400) for value in NO_HOSTS),
    ("9112 3.2, target without a slash", get(HOST, target="healthz"), 400),
    ("9112 3.2, fragment", get(HOST, target="/healthz#x"), 400),
    ("9112 3.2, space in the target", get(HOST, target="/a b"), 400),
    ("9112 3.2, control character in the target", get(HOST, target="/\x01"), 400),
    ("9112 3.2, character outside of ASCII", get(HOST, target="/\xe9"), 400),
    ("9112 3.2.2, user information", get(HOST, target="http://a@x/healthz"), 400),
    ("9112 3.2.2, no authority", get(HOST, target="http:///healthz"), 400),
    ("9112 3.2.2, other scheme", get(HOST, target="ftp://x/healthz"), 400),
    ("9112 3.2.4, asterisk with GET", get(HOST, target="*"), 400),
    # Lines and fields
    ("9112 2.2, bare LF", b"GET /healthz HTTP/1.1\nHost: x\n\n", 400),
    ("9112 2.2, bare LF after a field", b"GET /healthz HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400),
    ("9112 2.2, bare CR in a field", b"GET /healthz HTTP/1.1\r\nHost: x\rA: b\r\n\r\n", 400),
    ("9112 2.2, bare CR in the request line", b"GET /healthz HTTP/1.1\rHost: x\r\n\r\n", 400),
    ("9112 2.2, space before the first field", b"GET /healthz HTTP/1.1\r\n Host: x\r\n\r\n", 400),
    ("9112 3, tab after the method", b"GET\t/healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("9112 3, space after the version", b"GET /healthz HTTP/1.1 \r\nHost: x\r\n\r\n", 400),
    ("9112 3, no request", b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
    ("9112 5.1, space before the colon", get("Host : x"), 400),
    ("9112 5.1, tab before the colon", get("Host\t: x"), 400),
    ("9112 5, no colon", get(HOST, "A"), 400),
    ("9112 5, empty name", get(HOST, ": a"), 400),
    ("9110 5.1, name that is no token", get(HOST, "A(b): c"), 400),
    ("9112 5.2, obs-fold", get(HOST, "A: b", " c"), 400),
    ("9110 5.5, NUL", get(HOST, "A: b\0c"), 400),
    ("9110 5.5, control character", get(HOST, "A: b\x01c"), 400),
    # Length
    ("9112 6.3, both lengths", post(HOST, "Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
    ("9112 6.3, both lengths, other order", post(HOST, "Transfer-Encoding: chunked", "Content-Length: 5"), 400),
    ("9112 6.3, two lengths", post(HOST, "Content-Length: 5", "Content-Length: 6"), 400),
    ("9112 6.3, one length twice", post(HOST, "Content-Length: 5", "Content-Length: 5"), 400),
    *(
        (f"9112 6.3, length {value!r}", post(HOST, f"Content-Length: {value}"), 400)
        for value in ("", "5, 5", "+5", "-5", "5 5", "0x5", "5;", "18446744073709551621", "\xb2")
    ),
    ("9112 6.1, chunked is not last", post(HOST, "Transfer-Encoding: chunked, gzip"), 400),
    ("9112 6.1, chunked twice", post(HOST, "Transfer-Encoding: chunked, chunked"), 400),
    ("9112 6.3, no chunked", post(HOST, "Transfer-Encoding: gzip"), 400),
    ("9112 6.3, identity", post(HOST, "Transfer-Encoding: identity"), 400),
    ("9112 6.1, empty coding", post(HOST, "Transfer-Encoding:"), 400),
    ("9112 6.1, quoted coding", post(HOST, 'Transfer-Encoding: "chunked"'), 400),
    ("9112 6.1, chunked with HTTP/1.0", post("Transfer-Encoding: chunked", body=EMPTY, version="HTTP/1.0"), 400),
]  # fmt: skip
# The request is answered while its body arrives: the connection ends there.
BROKEN_CHUNKS = {
    "9112 7.1, overflow": b"10000000000000001\r\na\r\n0\r\n\r\n",
    "9112 7.1, space after the size": b"1 \r\na\r\n0\r\n\r\n",
    "9112 7.1, space before the size": b" 1\r\na\r\n0\r\n\r\n",
    "9112 7.1, plus sign": b"+1\r\na\r\n0\r\n\r\n",
    "9112 7.1, minus sign": b"-1\r\na\r\n0\r\n\r\n",
    "9112 7.1, prefix": b"0x1\r\na\r\n0\r\n\r\n",
    "9112 7.1, underscore": b"1_0\r\na\r\n0\r\n\r\n",
    "9112 7.1, no size": b"\r\na\r\n0\r\n\r\n",
    "9112 7.1, bare LF after the size": b"1\na\n0\n\n",
    "9112 7.1, bare LF after the data": b"1\r\na\n0\r\n\r\n",
    "9112 7.1, bare CR after the data": b"1\r\na\r\r0\r\n\r\n",
    "9112 7.1, more data than the size": b"1\r\nab\r\n0\r\n\r\n",
    "9112 7.1.1, bare LF in an extension": b"1;a\nb\r\na\r\n0\r\n\r\n",
    "9112 7.1.1, open quotation": b'1;a="b\r\n\r\n',
    "9112 7.1.2, trailer without a colon": b"0\r\nA b\r\n\r\n",
    "9112 7.1.2, folded trailer": b"0\r\nA: b\r\n c\r\n\r\n",
    "9112 7.1.2, length in a trailer": b"0\r\nContent-Length: 5\r\n\r\n",
    "9112 7.1.2, coding in a trailer": b"0\r\nTransfer-Encoding: gzip\r\n\r\n",
}
ACCEPTED = [
    ("9112 2.2, empty line before the request", b"\r\n" + get(HOST)),
    ("9112 3.2, empty Host", get("Host:")),
    ("9112 3.2, HTTP/1.0 without Host", get(version="HTTP/1.0")),
    *((f"9110 7.2, Host {value!r}", get(f"Host: {value}")) for value in HOSTS),
    ("9112 3.2.2, absolute form", get(HOST, target="http://y/healthz")),
    ("9112 3.2.2, absolute form with a port", get(HOST, target="HTTPS://y:8443/healthz")),
    ("9112 5, space around a value", get("Host:  x \t", "A:\t b")),
    ("9110 5.5, obs-text", get(HOST, "A: \xe9\xff")),
    ("9110 10.1.1, expectation in capitals", get(HOST, "Expect: 100-Continue")),
    ("9110 10.1.1, expectation twice", get(HOST, "Expect: 100-continue", "Expect: 100-continue")),
]  # fmt: skip


async def everything(running: RunningService, request: bytes) -> bytes:
    """Send the request, and return all bytes until the service closes the connection."""
    async with raw_connection(running.url) as connection, asyncio.timeout(45):
        await connection.send(request)
        return await connection.reader.read(-1)


@pytest.mark.parametrize(("request_", "status"), [pytest.param(*case[1:], id=case[0]) for case in REFUSED])
async def test_f41_a_request_that_breaks_a_rule_is_refused(
    running: RunningService, request_: bytes, status: int
) -> None:
    async with raw_connection(running.url) as connection:
        await connection.send(request_)
        response = await connection.read_response()
        assert response.status == status
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["status"] == status
        # Nothing that follows is taken for a request.
        assert response.headers["connection"] == "close"
        async with asyncio.timeout(45):
            assert await connection.reader.read(-1) == b""


@pytest.mark.parametrize("body", BROKEN_CHUNKS.values(), ids=BROKEN_CHUNKS)
async def test_f41_a_broken_chunk_ends_the_connection(running: RunningService, body: bytes) -> None:
    received = await everything(running, chunked(body))
    assert len(re.findall(rb"HTTP/1\.1 [0-9]{3} ", received)) == 1
    assert received.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("request_", [pytest.param(case[1], id=case[0]) for case in ACCEPTED])
async def test_f41_a_request_that_follows_the_rules_is_served(running: RunningService, request_: bytes) -> None:
    async with raw_connection(running.url) as connection:
        await connection.send(request_)
        response = await connection.read_response()
        while response.status == 100:
            response = await connection.read_response()
        assert response.status == 200


@pytest.mark.parametrize("start", [b"FO", b"GE", b"P"], ids=str)
async def test_f41_an_unknown_method_in_pieces_is_501(running: RunningService, start: bytes) -> None:
    async with raw_connection(running.url) as connection:
        await connection.send(start)
        await asyncio.sleep(0.05)
        await connection.send(b"X / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await connection.read_response()).status == 501


async def test_f41_http_1_0_gets_no_interim_response(running: RunningService) -> None:
    body = b'{"email": "a"}'
    head = b"POST /v1/users HTTP/1.0\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
    request = head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    assert (await everything(running, request)).startswith(b"HTTP/1.1 422 ")


async def test_f41_an_absolute_target_without_a_path_is_the_root(running: RunningService) -> None:
    async with raw_connection(running.url) as connection:
        for target in ("/?a=b", "http://x?a=b", "http://x/?a=b"):
            await connection.send(get(HOST, target=target))
            first = (await connection.read_response()).status
            assert first < 500
            if target == "/?a=b":
                expected = first
            assert first == expected


async def test_f41_options_of_the_whole_server_is_answered(running: RunningService) -> None:
    async with raw_connection(running.url) as connection:
        await connection.send(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await connection.read_response()).status < 500


async def test_f41_repeated_conditions_are_combined(service: RunningService, user: Account) -> None:
    made = (await user.client.post("/v1/images", files={"image": ("a.png", png())})).json()
    target = made["links"]["self"]
    etag = (await user.client.get(target)).headers["etag"]
    async with raw_connection(service.url) as connection:
        for lines in (
            [f"If-None-Match: {etag}", 'If-None-Match: "b"'],
            ['If-None-Match: "b"', f"If-None-Match: {etag}"],
        ):
            await connection.send(get(HOST, *lines, target=target))
            assert (await connection.read_response()).status == 304
