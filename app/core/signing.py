"""Signed cursors and refresh tokens. Each purpose has a salt, and so a derived key, of its own."""

import hashlib
import hmac
from collections.abc import Sequence
from enum import StrEnum

from itsdangerous import Signer, URLSafeSerializer
from itsdangerous.encoding import base64_encode


class Purpose(StrEnum):
    """The salt of a signature. A token of one purpose is not valid for another."""

    CURSOR = "imts.cursor"
    CSRF_TOKEN = "imts.csrf-token"  # noqa: S105 - a public label
    REFRESH_TOKEN = "imts.refresh-token"  # noqa: S105 - a public label


class StrictSigner(Signer):
    """HMAC-SHA256 that accepts a signature in its canonical encoding only.

    The base class compares decoded bytes. Its decoder skips foreign characters and the last two bits, so that
    many spellings of one signature would be valid.
    """

    default_digest_method = staticmethod(hashlib.sha256)
    default_key_derivation = "hmac"

    def verify_signature(self, value: str | bytes, sig: str | bytes) -> bool:
        """Compare the encoded signature with that of each secret, newest first, in constant time."""
        value, sig = (one.encode() if isinstance(one, str) else one for one in (value, sig))
        signatures = (
            self.algorithm.get_signature(self.derive_key(secret), value) for secret in reversed(self.secret_keys)
        )
        return any(hmac.compare_digest(sig, base64_encode(signature)) for signature in signatures)


def create_signer(purpose: Purpose, secret: str, previous: Sequence[str] = ()) -> Signer:
    """Return a signer of text. `previous` secrets verify, newest first; they never sign."""
    return StrictSigner(_rotated(secret, previous), salt=purpose)


def create_serializer(purpose: Purpose, secret: str, previous: Sequence[str] = ()) -> URLSafeSerializer:
    """Return a serializer of JSON values into signed URL-safe text, with the same rotation of keys."""
    return URLSafeSerializer(_rotated(secret, previous), salt=purpose, signer=StrictSigner)


def _rotated(secret: str, previous: Sequence[str]) -> list[str]:
    # itsdangerous signs with the last key.
    return [*reversed(previous), secret]
