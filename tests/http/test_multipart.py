from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.errors import AppError, UnsupportedMediaType, ValidationFailed
from app.http.multipart import MAX_PARTS, MalformedBody, MultipartStream

FORM = "multipart/form-data; boundary=b"


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def parse(body: bytes, size: int = 1000, content_type: str = FORM) -> list[tuple[str, str | None, bytes]]:
    return [
        (part.name, part.filename, b"".join([chunk async for chunk in part.chunks]))
        async for part in MultipartStream(content_type, pieces(body, size)).parts()
    ]


def field(head: str, value: bytes = b"v") -> bytes:
    return f"--b\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + value + b"\r\n"


END = b"--b--\r\n"


@given(st.binary(max_size=300), st.integers(1, 400))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_a_body_means_the_same_however_it_is_cut(value: bytes, size: int) -> None:
    if b"\r\n--b" in value:
        return
    body = field('name="a"', value) + field('name="f"; filename="x.png"', value) + END
    assert await parse(body, size) == [("a", None, value), ("f", "x.png", value)]


@given(st.binary(max_size=200), st.integers(1, 50))
@settings(max_examples=100, deadline=None)
async def test_no_body_raises_anything_else(body: bytes, size: int) -> None:
    try:
        await parse(b"--b\r\n" + body, size)
    except AppError:
        return


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ('name="i"; filename="plain.png"', "plain.png"),
        ('name="i"; filename="a%22b.png"', 'a"b.png'),
        ('name="i"; filename="a\\"b.png"', 'a"b.png'),
        ('name="i"; filename="käse.png"', "käse.png"),
        ("name=\"i\"; filename*=UTF-8''k%C3%A4se.png", "käse.png"),
        ('name="i"; filename="a.png"; filename*=UTF-8\'\'b.png', "a.png"),
        ('name="i"', None),
        ('name="i"; filename=""', ""),
    ],
)
async def test_file_names(head: str, name: str | None) -> None:
    assert (await parse(field(head) + END))[0][1] == name


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b",
        b"no boundary at all",
        field('name="a"'),
        b"--b\r\n\r\nv\r\n--b--\r\n",
        field('nome="a"') + END,
        b"--b\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"--b\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        field('name="a"') * (MAX_PARTS + 1) + END,
    ],
)
async def test_malformed_bodies(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        await parse(body)


@pytest.mark.parametrize("kind", ["", "application/json", "text/plain; boundary=b", "multipart/mixed; boundary=b"])
async def test_other_media_types(kind: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        await parse(END, content_type=kind)


async def test_a_boundary_is_needed() -> None:
    with pytest.raises(MalformedBody):
        await parse(END, content_type="multipart/form-data")
    with pytest.raises(MalformedBody):
        await parse(END, content_type=f"multipart/form-data; boundary={'b' * 300}")


async def test_fields_are_bounded_and_utf8() -> None:
    for value in (b"x" * 70_000, b"\xff"):
        async for part in MultipartStream(FORM, pieces(field('name="a"', value) + END, 1000)).parts():
            with pytest.raises(ValidationFailed):
                await part.text()
            break
