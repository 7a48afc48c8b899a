from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import AppError, UnsupportedMediaType, ValidationFailed
from app.http.requests.multipart import (
    MAX_FRAMING_BYTES,
    MAX_PADDING_BYTES,
    MAX_PARTS,
    MAX_PREAMBLE_BYTES,
    MalformedBody,
    MultipartStream,
)
from tests.support.examples import examples

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
@examples(1)
async def test_a_body_is_parsed_alike_in_chunks_of_any_size(value: bytes, size: int) -> None:
    if b"\r\n--b" in value:
        return
    body = field('name="a"', value) + field('name="f"; filename="x.png"', value) + END
    assert await parse(body, size) == [("a", None, value), ("f", "x.png", value)]


@given(st.binary(max_size=200), st.integers(1, 50))
@examples(1)
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
        ('name="i"; filename="a.png"; filename*=UTF-8\'\'b.png', "b.png"),
        ('name="i"', None),
        ('name="i"; filename=""', ""),
    ],
)
async def test_file_names(head: str, name: str | None) -> None:
    assert (await parse(field(head) + END))[0][1] == name


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ('name="i"; filename="=?utf-8?B?w6kucG5n?="; filename*=utf-8\'\'%C3%A9.png', "\xe9.png"),
        ("filename*=iso-8859-1'en'%E9.png; name=i", "\xe9.png"),
        ('name="i"; filename*="UTF-8\'\'%C3%A9.png"', "\xe9.png"),
        ('name="i"; filename* = "UTF-8\'\'a b;c.png" ', "a b;c.png"),
        ("name=i; FILENAME*=UTF-8''a b.png;", "a b.png"),
        ("name = i; filename = my photo.png", "my photo.png"),
        # One that cannot be decoded is ignored.
        ('name="i"; filename="a.png"; filename*=UTF-8\'\'%FF.png', "a.png"),
        ('name="i"; filename="a.png"; filename*=UTF-8\'\'%C3%.png', "a.png"),
        ('name="i"; filename="a.png"; filename*=koi8-r\'\'%C1.png', "a.png"),
        ('name="i"; filename="a.png"; filename*=b.png', "a.png"),
        ('name="i"; filename="a.png"; filename*0=b; filename*1=c', "a.png"),
        # It is no parameter within quotation marks.
        ('name="i"; filename="a; filename*=utf-8\'\'b.png"', "a; filename*=utf-8''b.png"),
        ('name="i"; filename="C:\\\\photos\\\\a.png"', "a.png"),
    ],
)
async def test_f39_the_extended_file_name_wins(head: str, name: str) -> None:
    for size in (1, 7, 1000):
        assert (await parse(field(head) + END, size))[0][1] == name


@pytest.mark.parametrize(
    "head",
    [
        'name="i"; filename="a.png"; filename="b.png"',
        "name=\"i\"; filename*=UTF-8''a.png; FileName*=UTF-8''b.png",
        'name="i"; name="j"',
        'name="i" filename="a.png"',
        'name="i"; filename="a.png',
        'name="i"\r\nContent-Disposition: form-data; name="j"',
        'name="i"\r\nContent-Transfer-Encoding: base64',
    ],
)
async def test_f39_a_part_with_two_interpretations_is_malformed(head: str) -> None:
    with pytest.raises(MalformedBody):
        await parse(field(head) + END)


async def test_f39_a_repeated_boundary_is_malformed() -> None:
    with pytest.raises(MalformedBody):
        await parse(END, content_type=f"{FORM}; boundary=c")


PREAMBLES = [
    b"text\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"--\r\n",
    b"--bc\r\n",
    b"--bc\r\n--b-\r\n",
    b" --b\r\n",
    b"\r",
    b"-\r\r\n",
]


@pytest.mark.parametrize("preamble", PREAMBLES, ids=repr)
@pytest.mark.parametrize("padding", [b"", b" ", b"\t "])
async def test_f40_text_before_a_boundary_and_blanks_after_it_are_skipped(preamble: bytes, padding: bytes) -> None:
    preamble = preamble if preamble.endswith(b"\n") else preamble + b"\r\n"
    form = (field('name="a"') + field('name="b"')).replace(b"--b\r\n", b"--b" + padding + b"\r\n")
    for size in (1, 2, 5, 1000):
        parts = await parse(preamble + form + b"--b--" + padding + b"\r\ntext", size)
        assert [part[0] for part in parts] == ["a", "b"]


async def test_f40_a_form_without_parts_is_empty() -> None:
    for body in (b"--b--", b"text\r\n--b--\r\n", b"\r\n--b--text"):
        assert await parse(body, 1) == []


@pytest.mark.parametrize(
    "body",
    [
        b"a" * MAX_PREAMBLE_BYTES + b"\r\n" + field('name="a"') + END,
        b"\r\n--bx" * MAX_PREAMBLE_BYTES + b"\r\n" + field('name="a"') + END,
        b"--b" + b" " * (MAX_PADDING_BYTES + 1) + b"\r\n" + field('name="a"')[5:] + END,
        field('name="a"') + b"--b" + b" " * MAX_FRAMING_BYTES + b"\r\n" + END,
    ],
    ids=["text", "lines like the boundary", "blanks", "blanks after a part"],
)
async def test_f40_what_is_skipped_is_limited(body: bytes) -> None:
    for size in (1000, len(body)):
        with pytest.raises(MalformedBody):
            await parse(body, size)


async def test_f40_the_charset_of_a_form_is_utf8() -> None:
    form = field('name="_charset_"', b"UTF-8") + field('name="a"') + END
    assert await parse(form) == [("a", None, b"v")]
    with pytest.raises(ValidationFailed):
        await parse(form.replace(b"UTF-8", b"utf-16"))


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
