"""Security primitives: password hashes, opaque tokens, signed access tokens. No HTTP, no database."""

import hashlib
import secrets
import time
import unicodedata
import uuid
from dataclasses import dataclass

from anyio import CapacityLimiter, to_thread
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from joserfc.jwt import ClaimsOption
from passlib.hash import bcrypt_sha256

from app.core.errors import InvalidToken

BCRYPT_COST = 12
# One hash takes some 0.25 s of a core: more at once would only take the processor from everybody else.
HASHES_AT_ONCE = 2
_ALGORITHM = "HS256"
_ISSUER = _AUDIENCE = "imts"
_REQUIRED: ClaimsOption = {"essential": True}


class PasswordHasher:
    """bcrypt over SHA-256 (no cut at 72 bytes), in a bounded number of threads."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(HASHES_AT_ONCE)
        self._hasher = bcrypt_sha256.using(rounds=BCRYPT_COST)  # type: ignore[no-untyped-call]
        self._nobody = self._hasher.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """Return the salted hash of `password` (after NFC), some 75 characters."""
        return str(await to_thread.run_sync(self._hasher.hash, _normalized(password), limiter=self._limiter))

    async def verify(self, password: str, stored: str | None) -> bool:
        """Tell whether `password` is the one of `stored`; without a stored hash it is false after the same time."""
        args = (_normalized(password), stored or self._nobody)
        matches = await to_thread.run_sync(self._hasher.verify, *args, limiter=self._limiter)
        return bool(matches) and stored is not None


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """Whom an access token speaks for, and in which session."""

    user_id: uuid.UUID
    session_id: uuid.UUID


class AccessTokens:
    """Signs and reads access tokens: short-lived JWT, HS256."""

    def __init__(self, secret: str, lifetime: int) -> None:
        self.lifetime = lifetime
        self._key = OctKey.import_key(secret)
        self._claims = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": _ISSUER},
            aud={"essential": True, "value": _AUDIENCE},
            exp=_REQUIRED,
            iat=_REQUIRED,
            nbf=_REQUIRED,
            sub=_REQUIRED,
            jti=_REQUIRED,
            sid=_REQUIRED,
        )

    def issue(self, claims: AccessClaims) -> str:
        """Return a token that is good for `lifetime` seconds."""
        now = int(time.time())
        payload = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "iat": now,
            "nbf": now,
            "exp": now + self.lifetime,
            "sub": str(claims.user_id),
            "sid": str(claims.session_id),
            "jti": uuid.uuid4().hex,
        }
        return jwt.encode({"alg": _ALGORITHM}, payload, self._key, algorithms=[_ALGORITHM])

    def read(self, token: str) -> AccessClaims:
        """Return the claims of a token that we signed and that is still good. Raises InvalidToken."""
        try:
            decoded = jwt.decode(token, self._key, algorithms=[_ALGORITHM])
            self._claims.validate(decoded.claims)
            return AccessClaims(uuid.UUID(decoded.claims["sub"]), uuid.UUID(decoded.claims["sid"]))
        except (JoseError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise InvalidToken from error


def new_opaque_token() -> str:
    """Return a random token of 256 bits, url-safe."""
    return secrets.token_urlsafe(32)


def digest_token(token: str) -> bytes:
    """Return the SHA-256 by which an opaque token is stored and found: a leaked table gives no token away."""
    return hashlib.sha256(token.encode()).digest()


def _normalized(password: str) -> str:
    return unicodedata.normalize("NFC", password)
