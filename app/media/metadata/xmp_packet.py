"""The camera, the times and the keywords in an XMP packet (ISO 16684-1).

Expat reads the packet in linear time. A document type is refused, and with it all entities. The library defusedxml does
the same, and reads a whole tree.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

MAX_ELEMENTS = 20_000
MAX_TEXT_LENGTH = 1000
MAX_KEYWORDS = 1000
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns# "
_DESCRIPTION, _ROOT, _ITEM = f"{_RDF}Description", f"{_RDF}RDF", f"{_RDF}li"
_CONTAINERS = (f"{_RDF}Bag", f"{_RDF}Seq", f"{_RDF}Alt")
_KEYWORDS = "http://purl.org/dc/elements/1.1/ subject"
_FIELDS = {
    "http://ns.adobe.com/exif/1.0/ DateTimeOriginal": "taken_at",
    "http://ns.adobe.com/photoshop/1.0/ DateCreated": "created_at",
    "http://ns.adobe.com/tiff/1.0/ Make": "make",
    "http://ns.adobe.com/tiff/1.0/ Model": "model",
}
# `x:xmpmeta`, which is optional, encloses the root.
_ROOT_DEPTHS = (0, 1)


@dataclass(slots=True)
class XmpFields:
    """The texts of a packet as they are stored.

    They are exif:DateTimeOriginal, photoshop:DateCreated, tiff:Make, tiff:Model and dc:subject.
    """

    taken_at: str | None = None
    created_at: str | None = None
    make: str | None = None
    model: str | None = None
    keywords: list[str] = field(default_factory=list)


class _Refused(Exception):
    """The packet has a document type."""


class _LimitReached(Exception):
    """The rest of the packet is not read."""


def read_xmp(packet: bytes) -> XmpFields:
    """Return the fields of a packet, which may be cut off at its end. A damaged packet has none."""
    reader = _PacketReader()
    # Padding and other bytes may surround the document.
    document = packet[packet.find(b"<") : packet.rfind(b">") + 1]
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.StartElementHandler = reader.start_element
    parser.EndElementHandler = reader.end_element
    parser.CharacterDataHandler = reader.add_text
    try:
        # Without the last part: a packet that was cut off is not damaged.
        parser.Parse(document, False)
    except _LimitReached:
        pass
    except (expat.ExpatError, _Refused, ValueError, LookupError):
        return XmpFields()
    return reader.fields


def _refuse(*_arguments: Any) -> None:
    raise _Refused


class _PacketReader:
    """Handles the elements of a packet. A property is a child or an attribute of a description in the root."""

    def __init__(self) -> None:
        self.fields = XmpFields()
        self._path: list[str] = []
        self._elements = 0
        self._text: list[str] | None = None
        self._length = 0
        self._set: Callable[[str], None] | None = None

    def start_element(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise _LimitReached
        # A text is the content of a simple element.
        self._text = None
        depth = self._description_depth()
        if depth is not None and len(self._path) == depth + 1 and name in _FIELDS:
            self._begin_text(lambda text: self._set_field(_FIELDS[name], text))
        elif depth is not None and name == _ITEM and self._is_in_keywords(depth):
            self._begin_text(self._add_keyword)
        self._path.append(name)
        if name == _DESCRIPTION and self._description_depth() == len(self._path) - 1:
            for attribute, text in attributes.items():
                if attribute in _FIELDS:
                    self._set_field(_FIELDS[attribute], text)

    def end_element(self, _name: str) -> None:
        self._path.pop()
        if self._text is not None and self._set is not None:
            self._set("".join(self._text))
        self._text = None

    def add_text(self, text: str) -> None:
        if self._text is not None and self._length <= MAX_TEXT_LENGTH:
            self._text.append(text[: MAX_TEXT_LENGTH + 1])
            self._length += len(text)

    def _description_depth(self) -> int | None:
        """Return the depth of the description that the current element is in; None outside of one."""
        for depth in _ROOT_DEPTHS:
            if self._path[depth : depth + 2] == [_ROOT, _DESCRIPTION]:
                return depth + 1
        return None

    def _is_in_keywords(self, depth: int) -> bool:
        rest = self._path[depth + 1 :]
        return len(rest) == 2 and rest[0] == _KEYWORDS and rest[1] in _CONTAINERS

    def _begin_text(self, set_text: Callable[[str], None]) -> None:
        self._text, self._length, self._set = [], 0, set_text

    def _set_field(self, name: str, text: str) -> None:
        if getattr(self.fields, name) is None and 0 < len(text) <= MAX_TEXT_LENGTH:
            setattr(self.fields, name, text)

    def _add_keyword(self, text: str) -> None:
        if len(self.fields.keywords) < MAX_KEYWORDS:
            self.fields.keywords.append(text)
