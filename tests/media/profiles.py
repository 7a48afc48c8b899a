"""ICC profiles, written by hand (ICC.1:2022, sections 7, 9 and 10)."""

import itertools
import struct

from PIL import ImageCms

XYZ = tuple[float, float, float]
D50: XYZ = (0.9642, 1.0, 0.8249)
P3_COLORANTS: dict[bytes, XYZ] = {
    b"rXYZ": (0.51512, 0.24120, -0.00105),
    b"gXYZ": (0.29198, 0.69225, 0.04189),
    b"bXYZ": (0.15710, 0.06657, 0.78407),
}
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def display_p3() -> bytes:
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _parametric(SRGB_CURVE))
    return _profile(b"mntr", b"RGB ", b"XYZ ", {**{name: _xyz(one) for name, one in P3_COLORANTS.items()}, **curves})


def linear_grey() -> bytes:
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": b"curv" + bytes(8)})


def cmyk() -> bytes:
    """A press whose inks are darker than the naive conversion has them."""
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": _lut(_ink_lab)})


def _ink_lab(cyan: float, magenta: float, yellow: float, black: float) -> tuple[float, float, float]:
    light = (1 - 0.45 * cyan) * (1 - 0.5 * magenta) * (1 - 0.1 * yellow) * (1 - 0.9 * black)
    shade = 1 - black
    return 95 * light, (60 * magenta - 35 * cyan) * shade, (70 * yellow - 45 * cyan - 10 * magenta) * shade


def _lut(lab: object) -> bytes:
    """Return a lut8 of two points a dimension, without curves."""
    matrix = struct.pack(">9i", *(65536 * (row == column) for row in range(3) for column in range(3)))
    identity = bytes(range(256))
    table = bytearray()
    for inks in itertools.product((0.0, 1.0), repeat=4):
        lightness, a, b = lab(*inks)  # type: ignore[operator]
        table += bytes([round(lightness * 2.55), round(a) + 128, round(b) + 128])
    return b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + identity * 4 + bytes(table) + identity * 3


def _parametric(values: tuple[float, ...]) -> bytes:
    return b"para" + bytes(4) + struct.pack(">HH", 3, 0) + struct.pack(">5i", *(round(v * 65536) for v in values))


def _xyz(value: XYZ) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(one * 65536) for one in value))


def _text(value: str) -> bytes:
    encoded = value.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II", 1, 12) + b"enUS" + struct.pack(">II", len(encoded), 28) + encoded


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {b"desc": _text("test"), b"cprt": _text("none"), b"wtpt": _xyz(D50), **tags}
    table, data = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    body = struct.pack(">I", len(tags)) + table + data
    date = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    header = struct.pack(">I", 128 + len(body)) + bytes(4) + b"\x04\x30\0\0" + kind + space + connection + date
    header += b"acsp" + bytes(28) + _xyz(D50)[8:]
    return header.ljust(128, b"\0") + body
