"""Keys that are derived from the secret of the service."""

import hashlib


def derive_key(secret: str, purpose: bytes) -> bytes:
    """Return a key of 32 bytes for one purpose, a label of at most 16 bytes. No derived key serves two."""
    return hashlib.blake2b(secret.encode(), person=purpose, digest_size=32).digest()
