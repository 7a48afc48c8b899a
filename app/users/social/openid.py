"""OpenID Connect providers, found by discovery (OpenID Connect Core 1.0 and Discovery 1.0)."""

import time
from typing import Any, cast

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key
from joserfc.jws import CompactSignature

from app.core.identity_providers import IdentityProvider, is_safe_url
from app.users.errors import IdentityProviderUnavailable, SocialLoginFailed
from app.users.social.http_client import ProviderHttpClient
from app.users.social.identity import MAX_SUBJECT, CodeExchange, Identity, read_lifetime

# Asymmetric ones only: otherwise, an attacker could sign with the provider's public key as a shared secret.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
CACHE_SECONDS = 3600
LEEWAY_SECONDS = 30
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class _UnknownKey(Exception):
    """The key of the token is not in the cached key set."""


class OpenIdProvider:
    """An OpenID Connect provider. Metadata and keys are cached for an hour; an unknown key id reloads the keys."""

    def __init__(self, settings: IdentityProvider, http: ProviderHttpClient) -> None:
        self._settings, self._http = settings, http
        self.issuer = settings.issuer
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, list[Key]] | None = None

    async def build_authorization_url(self, *, state: str, nonce: str, code_challenge: str, redirect_uri: str) -> str:
        """Return the URL of the provider's sign-in page. Raises IdentityProviderUnavailable."""
        metadata = await self._discover()
        uri = prepare_grant_uri(
            metadata["authorization_endpoint"],
            client_id=self._settings.client_id,
            response_type="code",
            redirect_uri=redirect_uri,
            scope=self._settings.scope,
            state=state,
            nonce=nonce,
            code_challenge=code_challenge,
            code_challenge_method="S256",
        )
        return str(uri)

    async def identify(self, exchange: CodeExchange) -> Identity:
        """Exchange the code and verify the ID token. Raises SocialLoginFailed, IdentityProviderUnavailable."""
        metadata = await self._discover()
        token = await self._exchange(metadata, exchange)
        claims = await self._verify_id_token(metadata, token, exchange.nonce)
        if "email" not in claims and "userinfo_endpoint" in metadata:
            claims |= await self._userinfo(metadata, token["access_token"], claims["sub"])
        email, verified = claims.get("email"), claims.get("email_verified") is True
        return Identity(
            issuer=self.issuer,
            subject=claims["sub"],
            email=email if isinstance(email, str) else None,
            email_verified=verified or (self._settings.trust_email and isinstance(email, str)),
            access_token=token["access_token"],
            expires_in=read_lifetime(token),
        )

    async def _discover(self) -> dict[str, Any]:
        if self._metadata is None or self._metadata[0] < time.monotonic():
            metadata = await self._http.get(get_well_known_url(self.issuer, external=True))
            if not _is_metadata(metadata, self.issuer):
                raise IdentityProviderUnavailable("The identity provider's discovery document cannot be used")
            self._metadata = (time.monotonic() + CACHE_SECONDS, metadata)
        return self._metadata[1]

    async def _exchange(self, metadata: dict[str, Any], exchange: CodeExchange) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": exchange.code,
            "redirect_uri": exchange.redirect_uri,
            "code_verifier": exchange.code_verifier,
        }
        client = (self._settings.client_id, self._settings.client_secret.get_secret_value())
        if "client_secret_basic" in metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]):
            token = await self._http.post(metadata["token_endpoint"], form, client)
        else:
            form |= {"client_id": client[0], "client_secret": client[1]}
            token = await self._http.post(metadata["token_endpoint"], form)
        if not isinstance(token, dict) or not all(isinstance(token.get(k), str) for k in ("access_token", "id_token")):
            raise SocialLoginFailed("The identity provider returned no tokens")
        return token

    async def _verify_id_token(self, metadata: dict[str, Any], token: dict[str, Any], nonce: str) -> dict[str, Any]:
        try:
            try:
                decoded = _decode(token["id_token"], await self._key_set(metadata))
            except _UnknownKey:
                self._keys = None
                decoded = _decode(token["id_token"], await self._key_set(metadata))
            self._check(decoded, token["access_token"], nonce)
        except (JoseError, ValueError, TypeError, AttributeError, KeyError, RecursionError, _UnknownKey) as error:
            raise SocialLoginFailed("The identity provider's ID token is not valid") from error
        return dict(decoded.claims)

    def _check(self, decoded: jwt.Token, access_token: str, nonce: str) -> None:
        options = {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": self._settings.client_id},
        }
        params = {"nonce": nonce, "client_id": self._settings.client_id, "access_token": access_token}
        CodeIDToken(decoded.claims, decoded.header, options, params).validate(leeway=LEEWAY_SECONDS)
        subject = decoded.claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
            raise ValueError("sub")

    async def _key_set(self, metadata: dict[str, Any]) -> list[Key]:
        if self._keys is None or self._keys[0] < time.monotonic():
            key_set = await self._http.get(metadata["jwks_uri"])
            self._keys = (time.monotonic() + CACHE_SECONDS, _import_keys(key_set))
        return self._keys[1]

    async def _userinfo(self, metadata: dict[str, Any], access_token: str, subject: str) -> dict[str, Any]:
        info = await self._http.get(metadata["userinfo_endpoint"], bearer=access_token)
        if not isinstance(info, dict) or info.get("sub") != subject:
            raise SocialLoginFailed("The identity provider returned the data of another account")
        return {name: info[name] for name in ("email", "email_verified") if name in info}


def _is_metadata(metadata: Any, issuer: str) -> bool:
    if not isinstance(metadata, dict) or str(metadata.get("issuer")).rstrip("/") != issuer:
        return False
    endpoints = [metadata.get(name) for name in _ENDPOINTS]
    if "userinfo_endpoint" in metadata:
        endpoints.append(metadata["userinfo_endpoint"])
    return all(isinstance(one, str) and is_safe_url(one) for one in endpoints)


def _import_keys(key_set: Any) -> list[Key]:
    """Import the keys that can verify a signature. A set can have keys of other kinds."""
    keys: list[Key] = []
    for entry in key_set.get("keys", ()) if isinstance(key_set, dict) else ():
        if isinstance(entry, dict) and entry.get("kty") in ("RSA", "EC", "OKP") and entry.get("use", "sig") == "sig":
            try:
                keys.append(JWKRegistry.import_key(entry))
            except (JoseError, ValueError, TypeError, KeyError):
                continue
    return keys


def _decode(id_token: str, keys: list[Key]) -> jwt.Token:
    def key_of(signed: Any) -> Key:
        # `jwk`, `jku` and `x5u` of the token are ignored.
        kid = cast("CompactSignature", signed).headers().get("kid")
        candidates = [key for key in keys if kid is None or key.kid == kid]
        if len(candidates) != 1:
            raise _UnknownKey
        return candidates[0]

    return jwt.decode(id_token, key_of, algorithms=ALGORITHMS)
