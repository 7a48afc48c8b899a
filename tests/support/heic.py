"""HEIC files made on the spot: with x265, and by changes to their boxes."""

import io
import struct
from collections.abc import Sequence
from typing import IO

import pillow_heif
from PIL import Image


def register_heic() -> None:
    """Let Pillow open HEIC files, and save pictures as "HEIC"."""
    pillow_heif.register_heif_opener()
    Image.register_save("HEIC", _save)


def _save(picture: Image.Image, file: IO[bytes], _name: object) -> None:
    options = {"quality": 90, **picture.encoderinfo}
    if isinstance(options.get("exif"), Image.Exif):
        options["exif"] = options["exif"].tobytes()
    pillow_heif.from_pillow(picture).save(file, **options)


def deep(picture: Image.Image, *, bits: int) -> bytes:
    """Return a file of 10 or 12 bits a channel."""
    mode = picture.mode
    samples = b"".join(bytes([sample, sample]) for sample in picture.tobytes())
    file = pillow_heif.from_bytes(f"{mode};16", picture.size, samples)
    pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    return _written(file)


def premultiplied(picture: Image.Image) -> bytes:
    """Return a file whose colours are multiplied by their alpha."""
    return _written(pillow_heif.from_bytes("RGBa", picture.size, picture.convert("RGBa").tobytes()))


def several(pictures: Sequence[Image.Image], primary: int) -> bytes:
    """Return a file of several pictures, of which one is the primary."""
    file = pillow_heif.from_pillow(pictures[0])
    for picture in pictures[1:]:
        file.add_from_pillow(picture)
    return _written(file, primary_index=primary)


def _written(file: pillow_heif.HeifFile, **options: object) -> bytes:
    buffer = io.BytesIO()
    file.save(buffer, quality=90, **options)
    return buffer.getvalue()


def with_size(heic: bytes, width: int, height: int) -> bytes:
    """Return the file with other dimensions in each of its `ispe` boxes."""
    parts = heic.split(b"ispe\0\0\0\0")
    stated = struct.pack(">II", width, height)
    return b"".join([parts[0], *(b"ispe\0\0\0\0" + stated + part[8:] for part in parts[1:])])


def with_brands(heic: bytes, major: bytes, *compatible: bytes) -> bytes:
    """Return the file with other brands; their number must stay the same."""
    length = int.from_bytes(heic[:4], "big")
    box = struct.pack(">I4s4sI", length, b"ftyp", major, 0) + b"".join(compatible)
    assert len(box) == length
    return box + heic[length:]


def with_properties(heic: bytes, properties: bytes) -> bytes:
    """Return the file with further boxes behind those of its properties. Its offsets are wrong then."""
    for kind in (b"meta", b"iprp", b"ipco"):
        at = heic.index(kind) - 4
        length = int.from_bytes(heic[at : at + 4], "big")
        end = at + length
        heic = heic[:at] + struct.pack(">I", length + len(properties)) + heic[at + 4 :]
    return heic[:end] + properties + heic[end:]


def box(kind: bytes, *content: bytes) -> bytes:
    """Return a box."""
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full_box(kind: bytes, *content: bytes) -> bytes:
    """Return a box of version 0 without flags."""
    return box(kind, bytes(4), *content)


def tiled(heic: bytes, side: int, pixels: int, tile: int = 1) -> bytes:
    """Return a square grid that shows one tile, which `heic` has, `side` times across and down."""
    start = heic.index(b"hvcC") - 4
    configuration = heic[start : start + int.from_bytes(heic[start : start + 4], "big")]
    coded = heic[heic.index(b"mdat") + 4 :]
    grid = struct.pack(">BBBBII", 0, 1, side - 1, side - 1, side * pixels, side * pixels)
    sizes = [full_box(b"ispe", struct.pack(">II", one, one)) for one in (pixels, side * pixels)]
    entries = [
        box(b"infe", struct.pack(">IHH4sx", 2 << 24, item, 0, kind)) for item, kind in ((1, b"hvc1"), (2, b"grid"))
    ]

    def described(offset: int) -> bytes:
        locations = b"".join(
            struct.pack(">HHHII", item, 0, 1, at, length)
            for item, at, length in ((1, offset, len(coded)), (2, offset + len(coded), len(grid)))
        )
        associations = struct.pack(">IHBBBHBB", 2, 1, 2, 0x81, 2, 2, 1, 3)
        return full_box(
            b"meta",
            full_box(b"hdlr", struct.pack(">I4s13x", 0, b"pict")),
            full_box(b"pitm", struct.pack(">H", 2)),
            full_box(b"iloc", struct.pack(">BBH", 0x44, 0, 2), locations),
            full_box(b"iinf", struct.pack(">H", 2), *entries),
            full_box(b"iref", box(b"dimg", struct.pack(f">HH{side * side}H", 2, side * side, *[tile] * side * side))),
            box(b"iprp", box(b"ipco", configuration, *sizes), full_box(b"ipma", associations)),
        )

    brands = box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    head = brands + described(len(brands) + len(described(0)) + 8)
    return head + box(b"mdat", coded, grid)
