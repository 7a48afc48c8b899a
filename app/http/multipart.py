"""A multipart/form-data body as a stream of parts: nothing is spooled, memory holds one network chunk."""

import re
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.core.errors import MalformedBody, UnsupportedBodyType, ValidationFailed

__all__ = ["MalformedBody", "MultipartStream", "Part"]

MAX_PARTS = 200
MAX_FIELD_BYTES = 64 * 1024
_EXTENDED_NAME = re.compile(rb";\s*filename\*=utf-8'[^']*'([^;\s]+)", re.IGNORECASE)


@dataclass(slots=True)
class _Headers:
    """The headers of the part that is being parsed."""

    values: dict[str, bytes] = field(default_factory=dict)
    name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, slots=True)
class _PartStart:
    headers: dict[str, bytes]


class _PartEnd:
    """The part's last byte has been seen."""


class _BodyEnd:
    """The closing boundary has been seen."""


_Event = _PartStart | bytes | _PartEnd | _BodyEnd


class MultipartStream:
    """The parts of a body, in their order. Each must be read before the next one is asked for, or is passed over."""

    def __init__(self, content_type: str, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self._events: deque[_Event] = deque()
        self._headers = _Headers()
        try:
            self._parser = MultipartParser(_boundary(content_type), _callbacks(self))
        except FormParserError as error:
            raise MalformedBody("The body is not valid multipart/form-data.") from error

    async def parts(self) -> AsyncIterator["Part"]:
        """Yield the parts. Raises MalformedBody, and whatever reading the body raises."""
        count = 0
        while True:
            event = await self._next_event()
            if isinstance(event, _BodyEnd):
                return
            if isinstance(event, _PartStart):
                count += 1
                if count > MAX_PARTS:
                    raise MalformedBody(f"A form has at most {MAX_PARTS} parts")
                yield Part(event.headers, self._part_chunks())

    async def _part_chunks(self) -> AsyncIterator[bytes]:
        while not isinstance(event := await self._next_event(), _PartEnd):
            if isinstance(event, bytes):
                yield event

    async def _next_event(self) -> _Event:
        while not self._events:
            chunk = await anext(self._body, None)
            if chunk is None:
                raise MalformedBody("The body ends before its closing boundary")
            try:
                self._parser.write(chunk)
            except FormParserError as error:
                raise MalformedBody("The body is not valid multipart/form-data.") from error
        return self._events.popleft()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        """Take a piece of a header's name."""
        self._headers.name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        """Take a piece of a header's value."""
        self._headers.value += data[start:end]

    def on_header_end(self) -> None:
        """Keep the header that is complete now."""
        headers = self._headers
        headers.values[headers.name.decode("latin-1").lower()] = bytes(headers.value)
        headers.name.clear()
        headers.value.clear()

    def on_headers_finished(self) -> None:
        """Begin the part's body."""
        self._events.append(_PartStart(self._headers.values))
        self._headers = _Headers()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """Take a piece of the part's body."""
        self._events.append(data[start:end])

    def on_part_end(self) -> None:
        """End the part."""
        self._events.append(_PartEnd())

    def on_end(self) -> None:
        """End the body."""
        self._events.append(_BodyEnd())


class Part:
    """A part: a file when it has a file name, else a field."""

    def __init__(self, headers: dict[str, bytes], chunks: AsyncIterator[bytes]) -> None:
        disposition, options = parse_options_header(headers.get("content-disposition"))
        if disposition != b"form-data" or b"name" not in options:
            raise MalformedBody("A part has no name")
        self.name = _decoded(options[b"name"])
        self.filename = _file_name(headers["content-disposition"], options.get(b"filename"))
        self.chunks = chunks

    async def text(self) -> str:
        """Return the field's value. Raises ValidationFailed when it is too long or no UTF-8."""
        value = bytearray()
        async for chunk in self.chunks:
            value += chunk
            if len(value) > MAX_FIELD_BYTES:
                raise ValidationFailed.at(
                    ["body", self.name], f"The value must have at most {MAX_FIELD_BYTES} bytes.", "too_long"
                )
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise ValidationFailed.at(["body", self.name], "The value must be valid UTF-8.", "unicode") from error


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise UnsupportedBodyType("The body must be multipart/form-data.")
    boundary = options.get(b"boundary")
    if not boundary:
        raise MalformedBody("The Content-Type names no boundary")
    return boundary


def _file_name(disposition: bytes, plain: bytes | None) -> str | None:
    if plain is not None:
        # Browsers write a quotation mark within a name as %22 (WHATWG HTML, multipart/form-data encoding).
        return _decoded(plain).replace("%22", '"')
    # RFC 7578 forbids this form (RFC 8187); some clients send nothing else for names that are not ASCII.
    extended = _EXTENDED_NAME.search(disposition)
    return _decoded(unquote_to_bytes(extended.group(1))) if extended else None


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ValidationFailed.at(["body"], "The name of a part must be valid UTF-8.", "unicode") from error


def _callbacks(stream: MultipartStream) -> Any:
    names = ("header_field", "header_value", "header_end", "headers_finished", "part_data", "part_end", "end")
    return {f"on_{name}": getattr(stream, f"on_{name}") for name in names}
