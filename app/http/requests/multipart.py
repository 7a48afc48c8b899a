"""Parses a multipart/form-data body as a stream of parts. Memory holds one network chunk; no file is written."""

import re
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from app.core.errors import MalformedBody, UnsupportedBodyType, ValidationFailed
from app.http.requests.header_values import decode_extended, parse_parameters

__all__ = ["MalformedBody", "MultipartStream", "Part"]

MAX_PARTS = 200
MAX_FIELD_BYTES = 64 * 1024
# The limits before the first boundary, and of white space after it.
MAX_PREAMBLE_BYTES = 64 * 1024
MAX_PADDING_BYTES = 1024
# All bytes except the content of parts: boundaries, white space after them, headers of parts.
MAX_FRAMING_BYTES = 1024 * 1024
_PADDING = re.compile(rb"[ \t]*")
_IDENTITY_ENCODINGS = (b"7bit", b"8bit", b"binary")


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
    """The parts of a body, in order. Asking for the next part skips the rest of the current one."""

    def __init__(self, content_type: str, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self._events: deque[_Event] = deque()
        self._headers = _Headers()
        self._framing_bytes = 0
        boundary = _boundary(content_type)
        self._preamble: _Preamble | None = _Preamble(boundary)
        try:
            self._parser = MultipartParser(boundary, _callbacks(self))
        except FormParserError as error:
            raise MalformedBody("The body is not valid multipart/form-data.") from error

    async def parts(self) -> AsyncIterator["Part"]:
        """Yield the parts. Raises MalformedBody and the errors of the body's iterator."""
        count = 0
        while True:
            event = await self._next_event()
            if isinstance(event, _BodyEnd):
                return
            if isinstance(event, _PartStart):
                count += 1
                if count > MAX_PARTS:
                    raise MalformedBody(f"A form can have at most {MAX_PARTS} parts")
                part = Part(event.headers, self._part_chunks())
                if part.name == "_charset_":
                    await _check_charset(part)
                else:
                    yield part

    async def _part_chunks(self) -> AsyncIterator[bytes]:
        while not isinstance(event := await self._next_event(), _PartEnd):
            if isinstance(event, bytes):
                yield event

    async def _next_event(self) -> _Event:
        while not self._events:
            chunk = await anext(self._body, None)
            if chunk is None:
                raise MalformedBody("The body ends before its closing boundary")
            if self._preamble is not None:
                chunk = self._preamble.feed(chunk)
                if not chunk:
                    continue
                self._preamble = None
            try:
                self._write(chunk)
            except FormParserError as error:
                raise MalformedBody("The body is not valid multipart/form-data.") from error
        return self._events.popleft()

    def _write(self, chunk: bytes) -> None:
        self._framing_bytes += len(chunk)
        self._parser.write(chunk)
        if self._framing_bytes > MAX_FRAMING_BYTES:
            raise MalformedBody(f"The headers and boundaries of a form can have at most {MAX_FRAMING_BYTES} bytes.")

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        """Append to the name of a header."""
        self._headers.name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        """Append to the value of a header."""
        self._headers.value += data[start:end]

    def on_header_end(self) -> None:
        """Store a complete header."""
        headers = self._headers
        name = headers.name.decode("latin-1").lower()
        if name in headers.values:
            raise MalformedBody("A header of a part is repeated.")
        headers.values[name] = bytes(headers.value.strip(b" \t"))
        headers.name.clear()
        headers.value.clear()

    def on_headers_finished(self) -> None:
        """Begin the part's body."""
        self._events.append(_PartStart(self._headers.values))
        self._headers = _Headers()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """Queue a chunk of the part's body."""
        self._framing_bytes -= end - start
        self._events.append(data[start:end])

    def on_part_end(self) -> None:
        """End the part."""
        self._events.append(_PartEnd())

    def on_end(self) -> None:
        """End the body. Text after the closing boundary is ignored (RFC 2046, 5.1.1)."""
        self._events.append(_BodyEnd())


class Part:
    """A part: a file if it has a file name, otherwise a field."""

    def __init__(self, headers: dict[str, bytes], chunks: AsyncIterator[bytes]) -> None:
        disposition, parameters = _parsed(headers.get("content-disposition", b""))
        if disposition != b"form-data" or b"name" not in parameters:
            raise MalformedBody("A part has no name.")
        if headers.get("content-transfer-encoding", b"binary").lower() not in _IDENTITY_ENCODINGS:
            # RFC 7578 (4.7) deprecates the header, and the encoded text would be stored.
            raise MalformedBody("A part must not have a Content-Transfer-Encoding.")
        self.name = _decoded(parameters[b"name"])
        self.filename = _file_name(parameters)
        self.chunks = chunks

    async def text(self) -> str:
        """Return the field's value. Raises ValidationFailed if it is too long or not UTF-8."""
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


class _Preamble:
    """Skips the text before the first boundary and white space after it (RFC 2046, 5.1.1).

    The parser accepts neither.
    """

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\r\n--" + boundary
        # The first boundary may start the body, without a preceding line.
        self._kept = bytearray(b"\r\n")
        self._searched = 0

    def feed(self, chunk: bytes) -> bytes:
        """Add a chunk. Return the body from its first boundary; empty until that is complete.

        Raises MalformedBody.
        """
        self._kept += chunk
        while (found := self._kept.find(self._delimiter, self._searched)) >= 0:
            self._check_length(found)
            end = found + len(self._delimiter)
            line = _PADDING.match(self._kept, end).end()  # type: ignore[union-attr]  # it matches nothing, too
            if line - end > MAX_PADDING_BYTES:
                raise MalformedBody("A boundary is followed by too much white space.")
            if self._kept.startswith(b"--", end):
                return self._delimiter[2:] + bytes(self._kept[end:])
            if self._kept.startswith(b"\r\n", line):
                return self._delimiter[2:] + bytes(self._kept[line:])
            self._searched = found
            if bytes(self._kept[line : line + 2]) in (b"", b"\r", b"-"):
                return b""
            # The line only starts like the boundary.
            self._searched = end
        self._searched = max(self._searched, len(self._kept) - len(self._delimiter) + 1)
        self._check_length(self._searched)
        return b""

    def _check_length(self, length: int) -> None:
        if length > MAX_PREAMBLE_BYTES:
            raise MalformedBody(f"The first boundary is not within {MAX_PREAMBLE_BYTES} bytes.")


def _boundary(content_type: str) -> bytes:
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise UnsupportedBodyType("The body must be multipart/form-data.")
    boundary = _parsed(content_type.encode("latin-1"))[1].get(b"boundary")
    if not boundary:
        raise MalformedBody("The Content-Type has no boundary.")
    return boundary


def _parsed(field: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    try:
        return parse_parameters(field)
    except ValueError as error:
        raise MalformedBody("A header has malformed or repeated parameters.") from error


async def _check_charset(part: Part) -> None:
    """Accept only UTF-8 as the charset of the fields, which HTML forms can send (RFC 7578, 4.6)."""
    if (await part.text()).lower() != "utf-8":
        raise ValidationFailed.at(["body", part.name], "The charset of a form must be UTF-8.")


def file_name_of_disposition(field: bytes) -> str | None:
    """Return the file name of a Content-Disposition (RFC 6266). Raises MalformedBody, ValidationFailed."""
    return _file_name(_parsed(field)[1])


def _file_name(parameters: dict[bytes, bytes]) -> str | None:
    # RFC 6266 (4.3) prefers the extended form, unless it cannot be decoded.
    extended = parameters.get(b"filename*")
    name = None if extended is None else decode_extended(extended)
    if name is not None:
        return name
    plain = parameters.get(b"filename")
    if plain is None:
        return None
    if plain[1:3] == b":\\" or plain[:2] == b"\\\\":
        # Old browsers send the whole path.
        plain = plain.rpartition(b"\\")[2]
    # Browsers write a quotation mark within a name as %22 (WHATWG HTML, multipart/form-data encoding).
    return _decoded(plain).replace("%22", '"')


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ValidationFailed.at(["body"], "The name of a part must be valid UTF-8.", "unicode") from error


def _callbacks(stream: MultipartStream) -> Any:
    names = ("header_field", "header_value", "header_end", "headers_finished", "part_data", "part_end", "end")
    return {f"on_{name}": getattr(stream, f"on_{name}") for name in names}
