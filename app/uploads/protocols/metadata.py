"""The `Upload-Metadata` header field of tus 1.0.0, and the fields of an upload that it declares."""

import re
from dataclasses import dataclass, field

from app.core.errors import ValidationFailed
from app.core.text.normalization import has_control
from app.images.upload.form import UploadFields, normalized_name
from app.uploads.errors import InvalidUploadHeader
from app.uploads.protocols.header_fields import decode_base64

MAX_BYTES = 16 * 1024
_LOC = ("header", "Upload-Metadata")
_KEY = re.compile(r"[!-+\--~]+")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_FORM_FIELDS = ("tags", "visibility", "on_conflict")


@dataclass(frozen=True, slots=True)
class UploadMetadata:
    """The declarations of `Upload-Metadata`. Other keys are kept in `raw`, which the client gets back."""

    name: str | None = None
    sha256: bytes | None = None
    fields: UploadFields = field(default_factory=UploadFields)
    raw: str | None = None


def parse_metadata(header: str | None) -> UploadMetadata:
    """Parse the header field. Raises InvalidUploadHeader, ValidationFailed."""
    if not header:
        return UploadMetadata()
    if len(header) > MAX_BYTES:
        raise InvalidUploadHeader(f"Upload-Metadata can have at most {MAX_BYTES} bytes.")
    pairs = _pairs(header)
    fields = UploadFields()
    for name in _FORM_FIELDS:
        if name in pairs:
            fields.set(name, _text(name, pairs[name]), _LOC)
    return UploadMetadata(
        name=normalized_name(_text("filename", pairs["filename"]), (*_LOC, "filename"))
        if "filename" in pairs
        else None,
        sha256=_digest(pairs["sha256"]) if "sha256" in pairs else None,
        fields=fields,
        raw=header,
    )


def _pairs(header: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for pair in header.split(","):
        key, _, value = pair.strip(" \t").partition(" ")
        if not _KEY.fullmatch(key):
            raise InvalidUploadHeader("A key of Upload-Metadata is empty or has characters outside of ASCII.")
        if key in pairs:
            raise InvalidUploadHeader("Upload-Metadata has a key more than once.")
        pairs[key] = _decoded(value)
    return pairs


def _decoded(value: str) -> str:
    """Return the bytes of a value, one character for each."""
    decoded = decode_base64(value)
    if decoded is None:
        raise InvalidUploadHeader("A value of Upload-Metadata is not valid Base64.")
    return decoded.decode("latin-1")


def _text(key: str, value: str) -> str:
    try:
        text = value.encode("latin-1").decode()
    except UnicodeDecodeError as error:
        raise ValidationFailed.at((*_LOC, key), "The value must be UTF-8.", "unicode") from error
    if has_control(text):
        raise ValidationFailed.at((*_LOC, key), "The value must not contain control characters.")
    return text


def _digest(value: str) -> bytes:
    text = _text("sha256", value)
    if not _SHA256.fullmatch(text):
        raise ValidationFailed.at((*_LOC, "sha256"), "The digest must have 64 hexadecimal digits.")
    return bytes.fromhex(text)
