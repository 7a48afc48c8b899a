"""Tokens that no decent library would make."""

import base64
import hashlib
import hmac
import json
from typing import Any


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def hs256(header: dict[str, Any], claims: Any, key: bytes, digest: str = "sha256") -> str:
    """Return a JWT with exactly this header, signed by HMAC even if the header names another method."""
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signed = f"{b64(json.dumps(header).encode())}.{b64(body)}"
    return f"{signed}.{b64(hmac.digest(key, signed.encode(), getattr(hashlib, digest)))}"


def unsigned(header: dict[str, Any], claims: Any) -> str:
    return f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}."
