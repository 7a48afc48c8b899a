"""Security primitives: opaque tokens, refresh tokens, signed access tokens. No HTTP, no database."""

import hashlib
import secrets
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from itsdangerous import BadSignature
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from joserfc.jws import CompactSignature

from app.core.errors import InvalidToken
from app.core.signing import Purpose, create_signer

MAX_ACCESS_TOKEN_LENGTH = 1024
# A refresh token has 120 characters.
MAX_REFRESH_TOKEN_LENGTH = 128
# The verified tokens that a worker keeps: 1 MiB at most.
MAX_VERIFIED = 1024
# Seconds by which the clocks of the machines of one installation may differ.
CLOCK_SKEW = 10
_ALGORITHM = "HS256"
_TYPE = "at+jwt"
_ISSUER = "imts"
# Characters of 256 bits in unpadded Base64.
_OPAQUE_LENGTH = 43
_CLAIMS = frozenset(("iss", "aud", "iat", "nbf", "exp", "sub", "sid", "jti"))


class Audience(StrEnum):
    """The purpose of a session's token. Every other audience refuses it."""

    API = "imts:api"
    OPS = "imts:ops"
    GALLERY = "imts:gallery"


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """The account and the session of an access token."""

    user_id: uuid.UUID
    session_id: uuid.UUID


class AccessTokens:
    """Signs and reads access tokens: short-lived JWT, HS256.

    The first secret signs, every secret verifies. To rotate, put a new secret in front, and remove the old one after
    its last token has expired. A `kid` selects one of these keys and cannot introduce another.
    """

    def __init__(self, secret: str, lifetime: int, previous: Sequence[str] = ()) -> None:
        self.lifetime = lifetime
        self._keys = {_key_id(one): OctKey.import_key(one) for one in (secret, *previous)}
        self._kid = _key_id(secret)
        # A client sends the same token for minutes. To verify one takes a quarter of the time of a cached read.
        self._verified_claims = lru_cache(MAX_VERIFIED)(self._verify)

    def issue(self, claims: AccessClaims, *, audience: Audience = Audience.API, lifetime: int | None = None) -> str:
        """Return a token for one audience; `lifetime` is in seconds, by default `self.lifetime`."""
        now = int(time.time())
        payload = {
            "iss": _ISSUER,
            "aud": audience.value,
            "iat": now,
            "nbf": now,
            "exp": now + (lifetime or self.lifetime),
            "sub": str(claims.user_id),
            "sid": str(claims.session_id),
            "jti": uuid.uuid4().hex,
        }
        header = {"alg": _ALGORITHM, "typ": _TYPE, "kid": self._kid}
        return jwt.encode(header, payload, self._keys[self._kid], algorithms=[_ALGORITHM])

    def read(self, token: str, *, audience: Audience = Audience.API) -> AccessClaims:
        """Return the claims of a valid token of this audience. Raises InvalidToken."""
        if len(token) > MAX_ACCESS_TOKEN_LENGTH:
            raise InvalidToken
        try:
            claims = self._verified_claims(token)
            _check(claims, audience, int(time.time()))
            return AccessClaims(uuid.UUID(claims["sub"]), uuid.UUID(claims["sid"]))
        # RecursionError: JSON that is nested too deep.
        except (JoseError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise InvalidToken from error

    def _verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a token with a valid signature. The caller checks them each time."""
        return jwt.decode(token, self._key_of, algorithms=[_ALGORITHM]).claims

    def _key_of(self, signed: Any) -> OctKey:
        headers = signed.headers() if isinstance(signed, CompactSignature) else {}
        # Exactly these fields: `jwk`, `jku`, `x5c`, `crit` and unknown ones are refused.
        if headers.keys() != {"alg", "typ", "kid"} or headers["typ"] != _TYPE:
            raise InvalidToken
        return self._keys[headers["kid"]]


class RefreshTokens:
    """Makes refresh tokens: the session's id and 256 random bits, signed.

    Only the digest of a session's current token is stored. The signature distinguishes a reused token (issued once, no
    longer current) from a forged one: only a reused token ends its session.
    """

    def __init__(self, secret: str, previous: Sequence[str] = ()) -> None:
        self._signer = create_signer(Purpose.REFRESH_TOKEN, secret, previous)

    def issue(self, session_id: uuid.UUID) -> str:
        """Return a new token for the session."""
        return self._signer.sign(f"{session_id.hex}.{new_opaque_token()}").decode()

    def read(self, token: str) -> uuid.UUID:
        """Return the session of a token that was issued by this service, current or not. Raises InvalidToken."""
        if len(token) > MAX_REFRESH_TOKEN_LENGTH:
            raise InvalidToken
        try:
            body = self._signer.unsign(token)
        except (BadSignature, UnicodeEncodeError) as error:
            raise InvalidToken from error
        return uuid.UUID(body.partition(b".")[0].decode())


def derive_key(secret: str, purpose: bytes) -> bytes:
    """Return a key of 32 bytes for one purpose, a label of at most 16 bytes. No derived key serves two."""
    return hashlib.blake2b(secret.encode(), person=purpose, digest_size=32).digest()


def new_opaque_token() -> str:
    """Return a random token of 256 bits, url-safe."""
    return secrets.token_urlsafe(32)


def is_opaque_token(text: str) -> bool:
    """Return whether the text has the form of `new_opaque_token`."""
    return len(text) == _OPAQUE_LENGTH and text.isascii() and text.replace("-", "").replace("_", "").isalnum()


def digest_token(token: str) -> bytes:
    """Return the SHA-256 under which an opaque token is stored: a leaked table contains no usable token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _key_id(secret: str) -> str:
    return derive_key(secret, b"imts-kid")[:6].hex()


def _check(claims: dict[str, Any], audience: Audience, now: int) -> None:
    if not claims.keys() >= _CLAIMS or claims["iss"] != _ISSUER or claims["aud"] != audience.value:
        raise InvalidToken
    times = [claims[name] for name in ("iat", "nbf", "exp")]
    if any(type(one) is not int for one in times):
        raise InvalidToken
    # Another machine, whose clock is a little ahead, may have signed it.
    if max(claims["iat"], claims["nbf"]) > now + CLOCK_SKEW or claims["exp"] <= now:
        raise InvalidToken
    if not all(isinstance(claims[name], str) and claims[name] for name in ("sub", "sid", "jti")):
        raise InvalidToken
