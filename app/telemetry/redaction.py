"""Redaction of records: escaped short text, no secrets, and personal data only as configured."""

import hashlib
import re
from functools import lru_cache
from ipaddress import ip_address
from typing import Literal, TypeAlias
from urllib.parse import unquote_plus

from app.core.security import derive_key

PersonalDataMode: TypeAlias = Literal["keep", "hash", "drop"]

MAX_QUERY_BYTES = 2048
MAX_PARAMETERS = 32
MAX_VALUE = 128
REDACTED = "[redacted]"

# The parameters of the API. Any other name comes from the client and may itself be a secret.
_NAMES = frozenset(
    [
        "q",
        "sort",
        "count",
        "limit",
        "cursor",
        "size",
        "expires_in",
        "download",
        "prefix",
        "contains",
        "email",
        "since",
        "until",
        "route",
        "method",
        "status",
        "user_id",
        "request_id",
        "min_ms",
        "step",
        "group_by",
        "code",
        "state",
        "error",
    ]
)
# Values that are neither secret nor personal: numbers and keywords of the API. All others are redacted, so that a new
# parameter is safe by default.
_HARMLESS = re.compile(
    rb"-?[0-9]{1,10}|true|false|exact|estimate|none|-?(created|name|size|width|pixels|tags|count)|route|status|user"
    rb"|GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|QUERY|[1-5]xx|"
)


def escape(text: str, limit: int) -> str:
    """Return at most `limit` characters of `text`, with everything unprintable (NUL, lone surrogates …) escaped."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


@lru_cache(maxsize=256)
def redact_query(raw: bytes, kept: frozenset[str] = frozenset()) -> str:
    """Return the query with every value redacted but the harmless ones and those of the parameters in `kept`."""
    parts = raw[:MAX_QUERY_BYTES].split(b"&", MAX_PARAMETERS)[:MAX_PARAMETERS]
    return "&".join(_redact_parameter(part, kept) for part in parts if part)


def choose_recorded_parameters(names: str, mode: PersonalDataMode) -> frozenset[str]:
    """Return which of the comma-separated parameters are recorded with their values: personal ones as `mode` says."""
    logged = frozenset(name.strip() for name in names.split(","))
    return logged if mode == "keep" else logged - {"email"}


def _redact_parameter(part: bytes, kept: frozenset[str]) -> str:
    raw_name, _, raw_value = part.partition(b"=")
    name = raw_name.decode("latin-1")
    if name not in _NAMES:
        return f"[other]={REDACTED}"
    if name in kept:
        return f"{name}={escape(unquote_plus(raw_value.decode('latin-1')), MAX_VALUE)}"
    return f"{name}={raw_value.decode('ascii') if _HARMLESS.fullmatch(raw_value) else REDACTED}"


@lru_cache(maxsize=1024)
def parse_address(text: str) -> str | None:
    """Return the IP address that `text` is; None for anything else, which a forwarding header may hold."""
    try:
        return None if "%" in text else str(ip_address(text))  # a zone may contain any text
    except ValueError:
        return None


class PersonalData:
    """Keeps, hashes or drops personal data. The hash is keyed, so that addresses cannot be found by trial."""

    def __init__(self, mode: PersonalDataMode, secret: str) -> None:
        self._mode = mode
        self._key = derive_key(secret, b"imts-personal")

    def anonymize(self, value: str | None) -> str | None:
        """Return the value as it may be recorded; the same value always gives the same hash."""
        if value is None or self._mode == "keep":
            return value
        if self._mode == "drop":
            return None
        return hashlib.blake2b(value.encode("utf-8", "replace"), key=self._key, digest_size=8).hexdigest()
