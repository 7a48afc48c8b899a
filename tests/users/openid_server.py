"""A small OpenID Connect provider on a real socket. A test can make each of its responses hostile.

It is strict where providers are: exact redirect address, single-use codes, client authentication, PKCE S256.
"""

import asyncio
import base64
import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus, urlencode

from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.support.server import serving

CLIENT_ID, CLIENT_SECRET = "imts-client", "client/secret+with:signs"
Claims = dict[str, Any]


def unchanged(claims: Claims) -> Claims:
    return claims


@dataclass
class Behaviour:
    """The next account to sign in, and the faults of the responses."""

    subject: str = "subject-1"
    email: str | None = "ada@example.com"
    email_verified: Any = True
    twist: Callable[[Claims], Claims] = unchanged
    header: dict[str, Any] = field(default_factory=dict)
    signing_key: RSAKey | None = None
    forge: Callable[[Claims], str] | None = None
    access_token: str | None = None
    deny: bool = False
    token_status: int = 200
    hang: bool = False
    claims_in_userinfo: bool = False
    userinfo_subject: str | None = None
    skip_pkce: bool = False


class OpenIdServer:
    """The provider: one client, one user at a time."""

    def __init__(self, redirect_uri: str) -> None:
        self.redirect_uri = redirect_uri
        self.issuer = ""
        self.key = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
        self.behaviour = Behaviour()
        self.codes: dict[str, dict[str, str]] = {}
        self.key_set_requests = 0
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._metadata),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/jwks", self._jwks),
                Route("/userinfo", self._userinfo),
            ]
        )

    def reset(self) -> None:
        self.behaviour, self.codes = Behaviour(), {}

    def rotate_key(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"})

    async def _metadata(self, _request: Request) -> Response:
        await self._maybe_hang()
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
            }
        )

    async def _authorize(self, request: Request) -> Response:
        query = request.query_params
        assert query["client_id"] == CLIENT_ID
        assert query["redirect_uri"] == self.redirect_uri
        assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
        assert "openid" in query["scope"].split()
        if self.behaviour.deny:
            return self._back({"error": "access_denied", "state": query["state"]})
        code = secrets.token_urlsafe(16)
        self.codes[code] = {"nonce": query["nonce"], "challenge": query["code_challenge"]}
        return self._back({"code": code, "state": query["state"], "iss": self.issuer})

    def _back(self, query: dict[str, str]) -> Response:
        return RedirectResponse(f"{self.redirect_uri}?{urlencode(query)}", 302)

    async def _token(self, request: Request) -> Response:
        await self._maybe_hang()
        if self.behaviour.token_status != 200:
            return JSONResponse({"error": "server_error"}, self.behaviour.token_status)
        form = await request.form()
        grant = self.codes.pop(str(form["code"]), None)
        if grant is None or form["redirect_uri"] != self.redirect_uri or not _is_client(request):
            return JSONResponse({"error": "invalid_grant"}, 400)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form["code_verifier"]).encode()).digest())
        if challenge.rstrip(b"=").decode() != grant["challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        token = self.behaviour.access_token or secrets.token_urlsafe(24)
        id_token = self._id_token(grant["nonce"])
        return JSONResponse({"access_token": token, "id_token": id_token, "token_type": "Bearer", "expires_in": 3600})

    def _id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims: Claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": self.behaviour.subject,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
        }
        if not self.behaviour.claims_in_userinfo:
            claims |= self._email_claims()
        claims = self.behaviour.twist(claims)
        if self.behaviour.forge:
            return self.behaviour.forge(claims)
        header = {"alg": "RS256", "kid": self.key.kid, **self.behaviour.header}
        return jwt.encode(header, claims, self.behaviour.signing_key or self.key)

    def _email_claims(self) -> Claims:
        claims = {"email": self.behaviour.email, "email_verified": self.behaviour.email_verified}
        return {name: value for name, value in claims.items() if value is not None}

    async def _jwks(self, _request: Request) -> Response:
        self.key_set_requests += 1
        unknown_kind = {"kty": "lattice", "kid": "future"}
        return JSONResponse({"keys": [unknown_kind, self.key.as_dict(private=False)]})

    async def _userinfo(self, _request: Request) -> Response:
        subject = self.behaviour.userinfo_subject or self.behaviour.subject
        return JSONResponse({"sub": subject, **self._email_claims()})

    async def _maybe_hang(self) -> None:
        if self.behaviour.hang:
            await asyncio.sleep(20)


def _is_client(request: Request) -> bool:
    encoded = request.headers["authorization"].removeprefix("Basic ")
    client_id, _, secret = base64.b64decode(encoded).decode().partition(":")
    return (unquote_plus(client_id), unquote_plus(secret)) == (CLIENT_ID, CLIENT_SECRET)


@asynccontextmanager
async def openid_server(redirect_uri: str) -> AsyncIterator[OpenIdServer]:
    """Serve a provider on a free port of the loopback."""
    provider = OpenIdServer(redirect_uri)
    async with serving(provider.app) as provider.issuer:
        yield provider
