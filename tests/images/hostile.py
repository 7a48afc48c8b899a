"""Files made to hurt: each a name, the bytes, and the one status that the service owes them."""

import io
import random
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from tests.support.heic import tiled, with_brands, with_properties, with_size
from tests.support.photos import image_bytes

Case = tuple[str, bytes, int]
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF", "HEIC")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, *chunks: bytes, data: bytes = b"", bits: int = 1, colour: int = 0) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def zeros(count: int) -> bytes:
    """Return the deflated form of `count` zeros, without holding them in memory."""
    packer = zlib.compressobj(9)
    piece = bytes(1 << 20)
    return b"".join(packer.compress(piece) for _ in range(count >> 20)) + packer.flush()


def webp(kind: bytes, body: bytes) -> bytes:
    content = b"WEBP" + kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(content)) + content


def lossless_webp(width: int, height: int) -> bytes:
    """The 28 bytes that cost seconds: a lossless WebP of one colour."""
    bits = (width - 1) | (height - 1) << 14
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", bits) + b"\x88\x88\x08")


def scan_bomb(scans: int) -> bytes:
    """A progressive JPEG with its last scan, a few bytes that visit every block, again and again."""
    buffer = io.BytesIO()
    Image.new("L", (3000, 3000), 128).save(buffer, "JPEG", progressive=True, quality=20)
    body = buffer.getvalue()
    start = body.rindex(b"\xff\xda")
    return body[:start] + body[start:-2] * scans + b"\xff\xd9"


def gif_frames(count: int, side: int) -> bytes:
    """A GIF of many frames, each the whole canvas in a few bytes."""
    frames = [Image.new("P", (side, side), index % 2) for index in range(2)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], loop=0)
    body = buffer.getvalue()
    first = body.index(b"\x21\xf9")
    return body[:first] + body[first:-1] * (count // 2) + b"\x3b"


def bombs() -> Iterator[Case]:
    yield "png of 100 million pixels in zeros", png_of(10_000, 10_000, data=zeros(13 << 20)), 201
    yield "png of 2 thousand million pixels", png_of(50_000, 40_000, data=zeros(1 << 20)), 422
    yield "png of the largest sides", png_of(2**31 - 1, 2**31 - 1), 422
    yield "png with more data than pixels", png_of(8, 8, data=zeros(64 << 20)), 201
    yield (
        "png with a text bomb",
        png_of(8, 8, chunk(b"zTXt", b"a\0\0" + zeros(200 << 20)), data=zlib.compress(bytes(16))),
        201,
    )
    yield (
        "png with a profile bomb",
        png_of(8, 8, chunk(b"iCCP", b"a\0\0" + zeros(200 << 20)), data=zlib.compress(bytes(16))),
        201,
    )
    yield (
        "png with an XMP bomb",
        png_of(8, 8, chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zeros(200 << 20)), data=zlib.compress(bytes(16))),
        201,
    )
    yield "webp in 28 bytes", lossless_webp(10_000, 10_000), 422
    yield "webp of the largest sides", lossless_webp(16_384, 16_384), 422
    yield "jpeg of scans", scan_bomb(3000), 422
    yield "gif of frames", gif_frames(3000, 1000), 422
    yield "gif of the largest sides", b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + bytes(9) + b";", 422
    jpeg = bytearray(image_bytes("JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 65500, 65500)
    yield "jpeg of the largest sides", bytes(jpeg), 422
    avif = image_bytes("AVIF")
    at = avif.index(b"ispe") + 8
    yield "avif of the largest sides", avif[:at] + struct.pack(">II", 2**31, 2**31) + avif[at + 8 :], 422


def lies() -> Iterator[Case]:
    """Headers that contradict the following bytes."""
    for kind in FORMATS:
        yield f"{kind} cut within its header", image_bytes(kind)[:20], 422
        buffer = io.BytesIO()
        # The same in each run, and so is what the flips below hit.
        Image.linear_gradient("L").resize((64, 64)).convert("RGB").save(buffer, kind)
        body = buffer.getvalue()
        yield f"{kind} cut in half", body[: len(body) // 2], 422
        yield f"{kind} of zeros", body[:16] + bytes(400), 422
        noisy = bytearray(body)
        for at in random.Random(kind).sample(range(12, len(body)), 20):
            noisy[at] ^= 0xFF
        yield f"{kind} with flipped bits", bytes(noisy), 422
    png = image_bytes("PNG", (64, 64))
    yield "png that says to be higher", png[:20] + struct.pack(">I", 6400) + png[24:], 422
    yield "png with a wrong check sum of its header", png[:31] + b"\0\0" + png[33:], 422
    # Browsers do not look at those of the pixels.
    yield "png with a wrong check sum of its pixels", png[:-14] + b"\0\0" + png[-12:], 201
    yield "png without data", png_of(8, 8)[:33] + chunk(b"IEND", b""), 422
    yield "empty sides", png_of(0, 0), 422
    gif = image_bytes("GIF", (64, 64))
    yield "gif of an empty screen, which its frame enlarges", gif[:6] + bytes(4) + gif[10:], 201
    yield "jpeg with a segment without length", b"\xff\xd8\xff\xe0\0\0" + bytes(40), 422
    yield "jpeg without a frame", b"\xff\xd8\xff\xda" + bytes(40), 422
    yield "jpeg of metadata only", b"\xff\xd8" + (b"\xff\xe1\xff\xff" + bytes(65533)) * 20, 422
    yield "webp without a chunk", webp(b"XXXX", bytes(20)), 422
    yield "webp that says to be long", b"RIFF\xff\xff\xff\xffWEBPVP8 " + bytes(30), 422
    yield "avif of endless boxes", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + b"\0\0\0\x08free" * 200_000, 422
    yield from heic_lies()
    yield "avif with a box of no size", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(64), 422


def heic_lies() -> Iterator[Case]:
    body = image_bytes("HEIC", (64, 64))
    brands = body[:28]
    for width, height in ((2**31, 2**31), (2**32 - 1, 1), (20_000, 20_000), (9_000, 9_000), (65, 64), (0, 0)):
        yield f"heic that says to be {width} x {height}", with_size(body, width, height), 422
    yield "heic of brands only", brands + bytes(40), 422
    yield "heic of endless boxes", brands + b"\0\0\0\x08free" * 200_000, 422
    nested = b"".join(struct.pack(">I4s", 80_000 - 8 * depth, b"meta") for depth in range(10_000))
    yield "heic of nested boxes", brands + nested, 422
    yield "heic with a large description", brands + struct.pack(">I4s", 64 << 20, b"meta") + bytes(4 << 20), 422
    yield "heic of many properties", with_properties(body, b"\0\0\0\x08free" * 9_900), 422
    yield "heic without a codec's configuration", body.replace(b"hvcC", b"free"), 422
    yield "heic without pixels", body[: body.index(b"mdat") + 4], 422
    yield "heic that is an avif", with_brands(body, b"avif", b"mif1", b"avif", b"miaf"), 422
    yield "heic of an unknown item", body.replace(b"hvc1", b"jpeg"), 422
    yield "heic without its primary item", body.replace(b"pitm\0\0\0\0\0\1", b"pitm\0\0\0\0\0\7"), 422
    tile = image_bytes("HEIC", (512, 512))
    yield "heic of one tile in 16 places", tiled(tile, 4, 512), 201
    yield "heic of one tile in 361 places", tiled(tile, 19, 512), 422
    yield "heic that is a tile of itself", tiled(tile, 2, 512, tile=2), 422


def strangers() -> Iterator[Case]:
    """Yield unsupported formats and polyglot files."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "TIFF")
    yield "tiff", buffer.getvalue(), 415
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "BMP")
    yield "bmp", buffer.getvalue(), 415
    yield "heif without a codec", b"\0\0\0\x18ftypmif1\0\0\0\0mif1miaf" + bytes(40), 415
    yield "svg", b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', 415
    yield "html", b"<!doctype html><script>alert(1)</script>", 415
    yield "pdf", b"%PDF-1.7\n1 0 obj\n<<>>\nendobj", 415
    yield "zip", b"PK\x03\x04" + bytes(60), 415
    yield "elf", b"\x7fELF" + bytes(60), 415
    yield "mp4", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(40), 415
    yield "empty", b"", 415
    yield "one byte", b"\xff", 415
    yield "15 bytes", b"\x89PNG\r\n\x1a\n" + bytes(7), 415
    yield "html before the image", b"<html>" + image_bytes("PNG"), 415
    script = b"<script>alert(1)</script>"
    for kind in FORMATS:
        yield f"{kind} with HTML behind", image_bytes(kind) + script, 201
    yield "png with a ZIP behind", image_bytes("PNG") + b"PK\x05\x06" + bytes(18), 201
    yield "jpeg with a PDF behind", image_bytes("JPEG") + b"%PDF-1.7", 201
    yield "gif that is JavaScript", image_bytes("GIF") + b"*/=1;alert(1)//", 201
    jpeg = image_bytes("JPEG")
    yield (
        "jpeg with a script as comment",
        jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(script) + 2) + script + jpeg[2:],
        201,
    )
    yield (
        "png with a script as text",
        png_of(8, 8, chunk(b"tEXt", b"a\0" + script), data=zlib.compress(bytes(16))),
        201,
    )


def cases() -> list[Case]:
    """Every one of them."""
    return [*bombs(), *lies(), *strangers()]


NAMES: list[tuple[str, int]] = [
    *((f"a{chr(code)}b.png", 422) for code in (*range(1, 10), 11, 12, *range(14, 32), 127)),
    *((f"a{mark}b.png", 422) for mark in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\x85"),
    ("../../etc/passwd", 422),
    ("a/b.png", 422),
    ("/etc/passwd", 422),
    ("", 422),
    ("   ", 422),
    ("x" * 256, 422),
    ("😀" * 251, 422),
    ("😀" * 250, 201),
    ("x" * 255, 201),
    ("..", 422),
    (".", 422),
    ("-rf", 201),
    ("con.png", 201),
    ("a'; DROP TABLE images; --", 201),
    ("<script>.png", 201),
    ("${jndi:ldap}", 201),
    ("a\u0301.png", 201),
    ("%00.png", 201),
    ("%2e%2e%2f", 201),
    ("🏳️‍🌈", 201),
    ("\u200b", 422),
    ("cat.png;filename=dog.png", 201),
]
