"""Types of unsupported files, for the text of the error.

The signatures are those of the WHATWG MIME Sniffing Standard and of the formats' own specifications.
"""

from app.core.errors import UnsupportedMediaType
from app.media.decoder_pool import MEDIA_TYPES

# (offset, bytes, name)
_SIGNATURES = (
    (0, b"II*\0", "a TIFF image (or a camera raw file)"),
    (0, b"MM\0*", "a TIFF image (or a camera raw file)"),
    (0, b"BM", "a BMP image"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"\0\0\1\0", "an icon (ICO)"),
    (0, b"\xff\x0a", "a JPEG XL image"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (0, b"%PDF-", "a PDF document"),
    (0, b"PK\3\4", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"ID3", "an MP3 recording"),
    (0, b"OggS", "an Ogg recording"),
    (0, b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (8, b"AVI ", "an AVI video"),
    (8, b"WAVE", "a WAV recording"),
    (8, b"mif1", "a HEIF image without HEVC or AV1"),
    (8, b"qt  ", "a QuickTime video"),
    (4, b"ftyp", "an MP4 video"),
)
_TEXT = ((b"<svg", "an SVG image"), (b"<!doctype svg", "an SVG image"), (b"<!doctype html", "an HTML page"))
_MARKUP = ((b"<html", "an HTML page"), (b"<?xml", "an XML document"))
SEARCHED_BYTES = 1024


def unsupported(head: bytes) -> UnsupportedMediaType:
    """Return the error for a file that starts with these bytes. It names the file's type and the supported ones."""
    return UnsupportedMediaType(f"The file is {describe(head)}. Supported types are {', '.join(MEDIA_TYPES)}.")


def describe(head: bytes) -> str:
    """Return the type of a file, as a noun with its article."""
    if not head:
        return "empty"
    for offset, signature, name in _SIGNATURES:
        if head.startswith(signature, offset):
            return name
    text = head[:SEARCHED_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<"):
        # An SVG may follow an XML declaration and comments.
        return next((name for mark, name in (*_TEXT, *_MARKUP) if mark in text), "a text file")
    return "of an unknown type"
