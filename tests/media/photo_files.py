"""Files with metadata of each kind: blocks of EXIF, XMP and IPTC, in each format that can contain them."""

import struct
from collections.abc import Mapping
from typing import Any

from PIL import Image

from tests.media.corpus import chunk, encoded, segment, with_chunks, with_segments
from tests.support.heic import register_heic

register_heic()
MAKE, MODEL, EXIF_POINTER, GPS_POINTER = 0x010F, 0x0110, 0x8769, 0x8825
TAKEN_AT, OFFSET, FRACTION = 0x9003, 0x9011, 0x9291
CANON = {MAKE: "Canon", MODEL: "Canon EOS R5"}
TIME = "2024:05:01 10:00:00"
SMALL = Image.new("RGB", (16, 12), (200, 90, 30))
SECRET = "52.2296"
_NAMESPACES = " ".join(
    f'xmlns:{prefix}="{uri}"'
    for prefix, uri in {
        "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
        "exif": "http://ns.adobe.com/exif/1.0/",
        "tiff": "http://ns.adobe.com/tiff/1.0/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
        "dc": "http://purl.org/dc/elements/1.1/",
    }.items()
)


def tiff(
    first: Mapping[int, Any] = CANON, second: Mapping[int, Any] | None = None, *, order: str = "<", gps: bool = False
) -> bytes:
    """Return an EXIF block with the fields of its first directory and of that of EXIF, in the given byte order."""
    second = {} if second is None else second
    entries: dict[int, Any] = {**first, EXIF_POINTER: 0, **({GPS_POINTER: 0} if gps else {})}
    start = 8 + 2 + 12 * len(entries) + 4
    head, data = _directory(entries, start, order)
    body = start + len(data)
    exif_head, exif_data = _directory(second, body + 2 + 12 * len(second) + 4, order)
    after = body + len(exif_head) + len(exif_data)
    position, _ = _directory({1: "N", 2: SECRET}, after + 30, order)
    pointers = {EXIF_POINTER: body, GPS_POINTER: after}
    for number, tag in enumerate(sorted(entries)):
        if tag in pointers:
            at = 2 + 12 * number
            head = head[:at] + struct.pack(f"{order}HHII", tag, 4, 1, pointers[tag]) + head[at + 12 :]
    signature = b"II*\0" if order == "<" else b"MM\0*"
    tail = position + SECRET.encode() + b"\0" if gps else b""
    return signature + struct.pack(f"{order}I", 8) + head + data + exif_head + exif_data + tail


def _directory(entries: Mapping[int, Any], start: int, order: str) -> tuple[bytes, bytes]:
    """Return a directory of texts, and the data that it refers to, which begins at the offset `start`."""
    head, data = struct.pack(f"{order}H", len(entries)), b""
    for tag, value in sorted(entries.items()):
        text = (value if isinstance(value, bytes) else str(value).encode()) + b"\0"
        if len(text) <= 4:
            head += struct.pack(f"{order}HHI4s", tag, 2, len(text), text)
        else:
            head += struct.pack(f"{order}HHII", tag, 2, len(text), start + len(data))
            data += text
    return head + bytes(4), data


def xmp(attributes: str = "", content: str = "") -> bytes:
    """Return an XMP packet with these attributes and this content of its description."""
    description = f"<rdf:Description rdf:about='' {_NAMESPACES} {attributes}>{content}</rdf:Description>"
    root = f"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>{description}</rdf:RDF>"
    meta = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{root}</x:xmpmeta>"
    return f"<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>{meta}{' ' * 200}<?xpacket end='w'?>".encode()


def keywords_xmp(*keywords: str) -> bytes:
    """Return an XMP packet with these keywords, which are XML already."""
    items = "".join(f"<rdf:li>{keyword}</rdf:li>" for keyword in keywords)
    return xmp(content=f"<dc:subject><rdf:Bag>{items}</rdf:Bag></dc:subject>")


def iptc(*keywords: bytes) -> bytes:
    """Return Photoshop's image resources with these keywords in IIM."""
    sets = b"\x1c\x02\x00\x00\x02\x00\x04"
    sets += b"".join(b"\x1c\x02\x19" + struct.pack(">H", len(keyword)) + keyword for keyword in keywords)
    other = b"8BIM\x03\xed\x03abc" + struct.pack(">I", 3) + b"xyz\0"
    return other + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(sets)) + sets + bytes(len(sets) % 2)


def jpeg(exif: bytes = b"", packet: bytes = b"", resources: bytes = b"") -> bytes:
    """Return a JPEG with these blocks."""
    segments = [
        *([segment(0xE1, b"Exif\0\0" + exif)] if exif else []),
        *([segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)] if packet else []),
        *([segment(0xED, b"Photoshop 3.0\0" + resources)] if resources else []),
    ]
    return with_segments(encoded(SMALL, "JPEG"), *segments)


def png(exif: bytes = b"", packet: bytes = b"", *, is_behind_pixels: bool = False, packed: bytes = b"") -> bytes:
    """Return a PNG with these blocks; `packed` is a compressed packet."""
    text = b"XML:com.adobe.xmp\0"
    chunks = [
        *([chunk(b"eXIf", exif)] if exif else []),
        *([chunk(b"iTXt", text + b"\0\0\0\0" + packet)] if packet else []),
        *([chunk(b"iTXt", text + b"\1\0\0\0" + packed)] if packed else []),
    ]
    plain = encoded(SMALL, "PNG")
    return plain[:-12] + b"".join(chunks) + plain[-12:] if is_behind_pixels else with_chunks(plain, *chunks)


def gif(packet: bytes) -> bytes:
    """Return a GIF with an XMP packet in front of its frame."""
    plain = encoded(SMALL.quantize(16), "GIF").replace(b"GIF87a", b"GIF89a", 1)
    at = 13 + (3 << ((plain[10] & 7) + 1))
    trailer = b"\1" + bytes(range(255, -1, -1)) + b"\0"
    comment = b"!\xfe\x05hello\0"
    return plain[:at] + comment + b"!\xff\x0bXMP DataXMP" + packet + trailer + plain[at:]


def every_format() -> dict[str, bytes]:
    """Return, by name, a file of each format with the camera and the time of `CANON` and `TIME`."""
    exif, packet = (
        tiff(CANON, {TAKEN_AT: TIME}, gps=True),
        xmp(
            'exif:DateTimeOriginal="2024-05-01T10:00:00" tiff:Make="Canon" tiff:Model="Canon EOS R5" '
            f'exif:GPSLatitude="{SECRET}N"'
        ),
    )
    return {
        "exif.jpeg": jpeg(exif),
        "xmp.jpeg": jpeg(packet=packet),
        "exif.png": png(exif),
        "xmp.png": png(packet=packet),
        "tail.png": png(exif, is_behind_pixels=True),
        "exif.webp": encoded(SMALL, "WEBP", exif=exif),
        "xmp.webp": encoded(SMALL, "WEBP", xmp=packet),
        "exif.avif": encoded(SMALL, "AVIF", exif=exif),
        "xmp.avif": encoded(SMALL, "AVIF", xmp=packet),
        "exif.heic": encoded(SMALL.resize((64, 64)), "HEIC", exif=exif),
        "xmp.heic": encoded(SMALL.resize((64, 64)), "HEIC", xmp=packet),
        "xmp.gif": gif(packet),
    }
