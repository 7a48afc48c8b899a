"""Image files by kind: format, mode, profile, orientation and damage.

Each shows four flat patches, so that colours and orientation can be compared where a format is lossy.
"""

import contextlib
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PIL import Image, ImageCms, ImageOps

from tests.media import profiles
from tests.support import heic

SIZE = (200, 160)
PATCHES = ((200, 100, 60), (60, 140, 90), (40, 60, 200), (230, 210, 90))
GREYS = (55, 120, 180, 240)
ALPHAS = (255, 255, 128, 200)
TYPES = {name: f"image/{name.lower()}" for name in ("PNG", "JPEG", "GIF", "WEBP", "AVIF", "HEIC")}


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file, and whether all of its pixels are in it."""

    name: str
    kind: str
    body: bytes
    is_whole: bool = True


def patches(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    """Return a picture of four flat patches."""
    picture = Image.new("RGBA", size)
    width, height = size
    for number, (colour, alpha) in enumerate(zip(PATCHES, ALPHAS, strict=True)):
        left, top = number % 2 * width // 2, number // 2 * height // 2
        picture.paste((*colour, alpha), (left, top, left + width // 2, top + height // 2))
    if mode in ("L", "LA"):
        grey = Image.new("L", size)
        for number, value in enumerate(GREYS):
            left, top = number % 2 * width // 2, number // 2 * height // 2
            grey.paste(value, (left, top, left + width // 2, top + height // 2))
        return Image.merge("LA", (grey, picture.getchannel("A"))) if mode == "LA" else grey
    return picture if mode == "RGBA" else picture.convert("RGB").convert(mode, dither=Image.Dither.NONE)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    """Return a file of this format (Pillow's name)."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes, check_sum: int | None = None) -> bytes:
    """Return a PNG chunk; with a `check_sum` instead of its own where one is given."""
    return (
        struct.pack(">I", len(data))
        + name
        + data
        + struct.pack(">I", zlib.crc32(name + data) if check_sum is None else check_sum)
    )


def png_file(bits: int, colour: int, rows: list[bytes], *chunks: bytes, width: int, missing: int = 0) -> bytes:
    """Return a PNG of these packed rows, without the last `missing` of them; `chunks` stand before the pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), bits, colour, 0, 0, 0))
    data = b"".join(b"\0" + row for row in rows[: len(rows) - missing])
    pixels = chunk(b"IDAT", zlib.compress(data))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + pixels + chunk(b"IEND", b"")


# Behind the header, two entries and the end of the directory.
EXIF_DATA = 8 + 2 + 2 * 12 + 4


def exif(orientation: int, extra: bytes = b"") -> bytes:
    """Return an EXIF block without prefix; `extra` is a further entry of 12 bytes."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    entries = [one for one in (entry, extra) if one]
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(entries) + struct.pack("<Iii", 0, -1, 0)


def segment(code: int, data: bytes) -> bytes:
    """Return a JPEG segment."""
    return bytes([0xFF, code]) + struct.pack(">H", len(data) + 2) + data


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """Return the JPEG with segments behind its start."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def with_chunks(png: bytes, *chunks: bytes) -> bytes:
    """Return the PNG with chunks behind its header."""
    return png[:33] + b"".join(chunks) + png[33:]


def packed_grey(bits: int) -> list[bytes]:
    """Return rows of SIZE with the samples 0, a third, two thirds and all of the range."""
    width, height = SIZE
    top = (1 << bits) - 1
    values = (0, top // 3, 2 * top // 3, top)
    rows = []
    for half in (values[:2], values[2:]):
        samples = "".join(f"{value:0{bits}b}" * (width // 2) for value in half)
        rows += [int(samples, 2).to_bytes(len(samples) // 8, "big")] * (height // 2)
    return rows


def modes() -> Iterator[MediaFile]:
    """Every mode that a format has."""
    for mode in ("L", "LA", "RGB", "RGBA", "1", "P"):
        yield MediaFile(f"png {mode}", "PNG", encoded(patches(mode), "PNG"))
    palette = patches("RGBA").quantize(8)
    yield MediaFile("png P with alpha", "PNG", encoded(palette, "PNG"))
    yield MediaFile("gif", "GIF", encoded(patches("P"), "GIF"))
    transparent = patches("P").getpixel((5, 5))
    yield MediaFile("gif with transparency", "GIF", encoded(patches("P"), "GIF", transparency=transparent))
    for bits in (1, 2, 4, 8, 16):
        rows = packed_grey(bits)
        key = chunk(b"tRNS", struct.pack(">H", (1 << bits) - 1))
        yield MediaFile(f"png grey of {bits} bits", "PNG", png_file(bits, 0, rows, width=SIZE[0]))
        yield MediaFile(f"png grey of {bits} bits with key", "PNG", png_file(bits, 0, rows, key, width=SIZE[0]))
    colour_key = chunk(b"tRNS", struct.pack(">HHH", *PATCHES[1]))
    yield MediaFile("png RGB with key", "PNG", with_chunks(encoded(patches(), "PNG"), colour_key))
    yield MediaFile("png, interlaced", "PNG", interlaced_png(patches()))
    for mode in ("L", "RGB", "CMYK"):
        yield MediaFile(f"jpeg {mode}", "JPEG", encoded(patches(mode), "JPEG", quality=95))
    yield MediaFile("jpeg YCCK", "JPEG", ycck())
    yield MediaFile("jpeg progressive", "JPEG", encoded(patches(), "JPEG", quality=95, progressive=True))
    for kind in ("WEBP", "AVIF"):
        for mode in ("RGB", "RGBA"):
            # Chromium reads the alpha that Pillow writes into an AVIF as of limited range.
            picture = patches() if kind == "AVIF" else patches(mode)
            yield MediaFile(f"{kind} {mode}", kind, encoded(picture.convert(mode), kind, quality=95))


def heic_files() -> Iterator[tuple[MediaFile, Image.Image]]:
    """HEIC files, which Chromium does not show, each with the picture that it shows."""

    def one(name: str, body: bytes, shown: Image.Image) -> tuple[MediaFile, Image.Image]:
        return MediaFile(f"heic {name}", "HEIC", body), shown

    for mode in ("L", "LA", "RGB", "RGBA"):
        yield one(mode, encoded(patches(mode), "HEIC"), patches(mode))
    yield one("with premultiplied alpha", heic.premultiplied(patches("RGBA")), patches("RGBA"))
    for bits in (10, 12):
        for mode in ("L", "RGB", "RGBA"):
            yield one(f"{mode} of {bits} bits", heic.deep(patches(mode), bits=bits), patches(mode))
    for chroma in (420, 422, 444):
        yield one(f"of chroma {chroma}", encoded(patches(), "HEIC", chroma=chroma), patches())
    # The codec has even sides, the crop property odd ones.
    yield one(
        "of odd sides", encoded(patches(size=(202, 162)).crop((0, 0, 201, 161)), "HEIC"), patches(size=(201, 161))
    )
    large = patches(size=(1500, 1100))
    yield one("large", encoded(large, "HEIC"), large)
    yield one("of tiles", encoded(large, "HEIC", tile_size=512), large)
    yield one("with thumbnails", encoded(large, "HEIC", thumbnails=[256, 64]), large)
    other = Image.new("RGB", (64, 64), "red")
    yield one("of which the second is the primary", heic.several([other, patches(), other], 1), patches())
    for orientation in range(1, 9):
        block = Image.Exif()
        block[0x0112] = orientation
        # The writer turns it into the properties `irot` and `imir`, and keeps the EXIF.
        for name, options in (("", {}), (" in tiles", {"tile_size": 64})):
            shown = ImageOps.exif_transpose(_oriented(patches(), orientation))
            yield one(f"turned {orientation}{name}", encoded(patches(), "HEIC", exif=block, **options), shown)
    for mode, names in (("L", ("linear grey", "sRGB", "broken")), ("RGB", ("Display P3", "sRGB", "CMYK", "broken"))):
        for name in names:
            profile = PROFILES[name]()
            body = encoded(patches(mode), "HEIC", icc_profile=profile)
            yield one(f"{mode} in {name}", body, _converted(patches(mode), profile))


def _oriented(picture: Image.Image, orientation: int) -> Image.Image:
    picture.getexif()[0x0112] = orientation
    return picture


def _converted(picture: Image.Image, profile: bytes) -> Image.Image:
    """Return the picture in sRGB, unchanged for a profile of another kind."""
    with contextlib.suppress(ImageCms.PyCMSError, OSError):
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB") or picture
    return picture


PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def interlaced_png(picture: Image.Image, missing: int = 0) -> bytes:
    """Return a PNG in seven passes (PNG, 8.1), without the last `missing` bytes of its pixels."""
    width, height = picture.size
    data = bytearray()
    for left, top, across, down in PASSES:
        for row in range(top, height, down):
            samples = picture.crop((0, row, width, row + 1)).tobytes()
            pixels = b"".join(samples[3 * column : 3 * column + 3] for column in range(left, width, across))
            data += b"\0" + pixels if pixels else b""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1))
    body = chunk(b"IDAT", zlib.compress(bytes(data[: len(data) - missing])))
    return b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND", b"")


def with_wrong_sum(png: bytes) -> bytes:
    """Return the PNG, which has one chunk of pixels, with a wrong Adler-32 sum at the end of the pixels."""
    start, end = png.index(b"IDAT") + 4, png.index(b"IEND") - 8
    wrong = bytes(byte ^ 0xFF for byte in png[end - 4 : end])
    return png[: start - 8] + chunk(b"IDAT", png[start : end - 4] + wrong) + png[end + 4 :]


def with_screen(gif: bytes, width: int, height: int) -> bytes:
    """Return the GIF with a logical screen of this size."""
    return gif[:6] + struct.pack("<HH", width, height) + gif[10:]


def ycck() -> bytes:
    """Return a JPEG of inks as luminance and chrominance, by the Adobe marker's transform 2."""
    luminance = [Image.eval(channel, lambda value: 255 - value) for channel in patches("YCbCr").split()]
    jpeg = encoded(Image.merge("CMYK", [*luminance, Image.new("L", SIZE, 40)]), "JPEG", quality=95)
    at = jpeg.index(b"Adobe") + 11
    return jpeg[:at] + b"\x02" + jpeg[at + 1 :]


PROFILES: dict[str, Callable[[], bytes]] = {
    "sRGB": profiles.srgb,
    "Display P3": profiles.display_p3,
    "linear grey": profiles.linear_grey,
    "CMYK": profiles.cmyk,
    "broken": lambda: b"no profile" * 40,
}


def profiled() -> Iterator[MediaFile]:
    """Each mode with each profile, also where they do not fit."""
    saved = (("PNG", "L LA RGB RGBA P"), ("JPEG", "L RGB CMYK"), ("WEBP", "RGB RGBA"), ("AVIF", "RGB"))
    for kind, names in saved:
        for mode in names.split():
            for name, make in PROFILES.items():
                options = {} if kind == "PNG" else {"quality": 95}
                body = encoded(patches(mode), kind, icc_profile=make(), **options)
                yield MediaFile(f"{kind} {mode} in {name}", kind, body)


def oriented() -> Iterator[MediaFile]:
    """Each orientation in each format that has one."""
    jpeg, png = encoded(patches(), "JPEG", quality=95), encoded(patches(), "PNG")
    # XResolution as the signed ratio -1/0, which no writer of EXIF accepts.
    odd = struct.pack("<HHII", 0x011A, 10, 1, EXIF_DATA)
    for orientation in range(1, 9):
        block = Image.Exif()
        block[0x0112] = orientation
        for name, extra in (("", b""), (", with an odd resolution", odd)):
            metadata = segment(0xE1, b"Exif\0\0" + exif(orientation, extra))
            yield MediaFile(f"jpeg turned {orientation}{name}", "JPEG", with_segments(jpeg, metadata))
        yield MediaFile(f"png turned {orientation}", "PNG", with_chunks(png, chunk(b"eXIf", exif(orientation))))
        for kind in ("WEBP", "AVIF"):
            yield MediaFile(f"{kind} turned {orientation}", kind, encoded(patches(), kind, quality=95, exif=block))


SCANS: dict[str, dict[str, object]] = {
    "sequential": {},
    "progressive": {"progressive": True},
    "restarting": {"restart_marker_rows": 1},
    "progressive restarting": {"progressive": True, "restart_marker_blocks": 3},
}


def harmless() -> Iterator[MediaFile]:
    """Damage that takes nothing from the picture."""
    png = encoded(patches(), "PNG")
    big = zlib.compress(bytes(3 << 19))
    for name, data in (
        ("zTXt", b"a\0\0" + big),
        ("iTXt", b"a\0\1\0\0\0" + big),
        ("iCCP", b"a\0\0" + big),
        ("tEXt", b"a\0" + bytes(1 << 21)),
    ):
        yield MediaFile(f"png with a large {name}", "PNG", with_chunks(png, chunk(name.encode(), data)))
        yield MediaFile(f"png with a damaged {name}", "PNG", with_chunks(png, chunk(name.encode(), data[:9], 1)))
    key = chunk(b"tRNS", struct.pack(">HHH", *PATCHES[1]), 1)
    yield MediaFile("png with a damaged key", "PNG", with_chunks(png, key))
    yield MediaFile("png with a damaged acTL", "PNG", with_chunks(png, chunk(b"acTL", b"a")))
    yield MediaFile("png without its end", "PNG", png[:-12])
    at = png.index(b"IEND") - 8
    yield MediaFile("png with a wrong check sum of its pixels", "PNG", png[:at] + b"\0\0\0\1" + png[at + 4 :])
    for name, body in (("", png), ("interlaced ", interlaced_png(patches()))):
        yield MediaFile(f"{name}png with a wrong Adler-32 sum", "PNG", with_wrong_sum(body))
    yield MediaFile("png with a wrong Adler-32 sum, without its end", "PNG", with_wrong_sum(png)[:-12])
    gif = encoded(patches("P"), "GIF")
    for size in ((0, 0), (10, 10), (300, 260)):
        yield MediaFile(f"gif on a screen of {size}", "GIF", with_screen(gif, *size))
    jpeg = encoded(patches(), "JPEG", quality=95)
    for name, stray in (
        ("a stray byte", b"\0"),
        ("fill bytes", b"\xff" * 1000),
        ("stray bytes", bytes(range(255)) * 8),
    ):
        yield MediaFile(f"jpeg with {name}", "JPEG", jpeg[:20] + stray + jpeg[20:])
    depth_map = segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0".ljust(65_533, b"x"))
    yield MediaFile("jpeg with a megabyte of metadata", "JPEG", with_segments(jpeg, *[depth_map] * 16))
    for kind in TYPES:
        yield MediaFile(f"{kind} with a trailer", kind, encoded(patches(), kind) + bytes(range(256)) * 80)
    for name, options in SCANS.items():
        jpeg = encoded(patches(), "JPEG", quality=95, **options)
        yield MediaFile(f"{name} jpeg without its end", "JPEG", jpeg[:-2])
        yield MediaFile(f"{name} jpeg without its end, with a trailer", "JPEG", jpeg[:-2] + bytes(20_000))


def cut() -> Iterator[MediaFile]:
    """Files that lack pixels."""
    rows = [bytes(range(200))] * 160
    yield MediaFile("png without its last row", "PNG", png_file(8, 0, rows, width=200, missing=1), is_whole=False)
    yield MediaFile("png without half of its rows", "PNG", png_file(8, 0, rows, width=200, missing=80), is_whole=False)
    body = with_wrong_sum(png_file(8, 0, rows, width=200, missing=1))
    yield MediaFile("png without its last row, with a wrong Adler-32 sum", "PNG", body, is_whole=False)
    for size in ((1, 1), (7, 1), (1, 3), (9, 3), SIZE):
        body = interlaced_png(noise().crop((0, 0, *size)), missing=1)
        yield MediaFile(f"interlaced png of {size} without its last byte", "PNG", body, is_whole=False)
    for kind in TYPES:
        body = encoded(noise(), kind)
        yield MediaFile(f"{kind} cut in half", kind, body[: len(body) // 2], is_whole=False)
    tiles = encoded(noise(), "HEIC", tile_size=64)
    for cut_off in (1, 500, len(tiles) // 2):
        yield MediaFile(f"heic of tiles without its last {cut_off} bytes", "HEIC", tiles[:-cut_off], is_whole=False)
    gif = encoded(noise(), "GIF")
    yield MediaFile("gif cut in half, with an end", "GIF", gif[: len(gif) // 2] + b"\0;", is_whole=False)
    for name, options in SCANS.items():
        jpeg = encoded(noise(), "JPEG", **options)
        start, length = jpeg.index(b"\xff\xda") + 14, len(jpeg)
        quarter = (length - start) // 4
        end = b"\xff\xd9"
        half = jpeg[: start + 2 * quarter] + end
        yield MediaFile(f"{name} jpeg without half of its scan", "JPEG", half, is_whole=False)
        middle = jpeg[: start + quarter] + jpeg[start + 3 * quarter :]
        yield MediaFile(f"{name} jpeg without the middle of its scan", "JPEG", middle, is_whole=False)
        yield MediaFile(f"{name} jpeg cut near its end", "JPEG", jpeg[:-60] + end, is_whole=False)


def noise() -> Image.Image:
    """Return a picture that no format can make small."""
    return Image.effect_noise(SIZE, 60).convert("RGB")
