"""Access tokens: a token that the service did not sign is 401 and never 500."""

import base64
import json
import time
import uuid
from collections.abc import Callable
from functools import cache
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from app.core.errors import InvalidToken
from app.core.security import AccessClaims, AccessTokens, Audience, RefreshTokens, digest_token, new_opaque_token
from app.core.settings import Settings
from app.core.signing import Purpose, create_signer
from tests.support.accounts import Account
from tests.users.forged_tokens import b64, hs256, unsigned

SECRET = b"t" * 48
Claims = dict[str, Any]


@cache
def rsa() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "mine"})


def kid() -> str:
    token = AccessTokens(SECRET.decode(), 900).issue(AccessClaims(uuid.uuid4(), uuid.uuid4()))
    return str(json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))["kid"])


HEADER = {"alg": "HS256", "typ": "at+jwt", "kid": kid()}


def signed(header: Claims | None = None, **changes: Any) -> Callable[[Claims], str]:
    """Return a token with the service's own secret and these changes. `...` removes a claim."""
    return lambda claims: hs256(
        HEADER | (header or {}), {k: v for k, v in (claims | changes).items() if v is not ...}, SECRET
    )


def without(name: str) -> Callable[[Claims], str]:
    header = {key: value for key, value in HEADER.items() if key != name}
    return lambda claims: hs256(header, claims, SECRET)


NOW = int(time.time())
FORGED: dict[str, Callable[[Claims], str]] = {
    "alg none": lambda c: unsigned(HEADER | {"alg": "none"}, c),
    "alg None": lambda c: unsigned(HEADER | {"alg": "None"}, c),
    "alg none, signed": signed({"alg": "none"}),
    "no signature": lambda c: unsigned(HEADER, c),
    "HS384 with our secret": lambda c: hs256(HEADER | {"alg": "HS384"}, c, SECRET, "sha384"),
    "HS512 with our secret": lambda c: hs256(HEADER | {"alg": "HS512"}, c, SECRET, "sha512"),
    "RS256": lambda c: jwt.encode(HEADER | {"alg": "RS256"}, c, rsa()),
    "alg is a list": signed({"alg": ["HS256"]}),
    "another secret": lambda c: hs256(HEADER, c, b"x" * 48),
    "an empty secret": lambda c: hs256(HEADER, c, b""),
    "unknown kid": signed({"kid": "0"}),
    "kid as a path": signed({"kid": "../../dev/null"}),
    "kid as SQL": signed({"kid": "' OR 1=1 --"}),
    "kid is a number": signed({"kid": 1}),
    "kid is a list": signed({"kid": []}),
    "no kid": without("kid"),
    "no typ": without("typ"),
    "typ JWT": signed({"typ": "JWT"}),
    "jku": signed({"jku": "http://127.0.0.1:9/keys"}),
    "jwk": lambda c: jwt.encode(HEADER | {"alg": "RS256", "jwk": rsa().as_dict(private=False)}, c, rsa()),
    "x5u": signed({"x5u": "http://127.0.0.1:9/cert"}),
    "crit": signed({"crit": ["exp"]}),
    "unencoded payload": signed({"b64": False, "crit": ["b64"]}),
    "expired": signed(exp=NOW - 1),
    "expires now": signed(exp=NOW - 5, iat=NOW - 900, nbf=NOW - 900),
    "not yet valid": signed(nbf=NOW + 86400),
    "issued in the future": signed(iat=NOW + 86400),
    "exp is text": signed(exp="9999999999"),
    "exp is true": signed(exp=True),
    "exp is huge": signed(exp=1e400),
    "exp is a float": signed(exp=NOW + 60.5),
    "exp is null": signed(exp=None),
    "wrong audience": signed(aud="another"),
    "audience list": signed(aud=["imts:api", "another"]),
    "audience of the operators' page": signed(aud="imts:ops"),
    "audience of earlier versions": signed(aud="imts"),
    "wrong issuer": signed(iss="https://accounts.google.com"),
    **{f"no {name}": signed(None, **{name: ...}) for name in ("exp", "iat", "nbf", "aud", "iss", "sub", "jti", "sid")},
    "sub is a number": signed(sub=7),
    "sub is a list": signed(sub=["a"]),
    "sub is no id": signed(sub="admin"),
    "sub with NUL": signed(sub="a\0b"),
    "sub is empty": signed(sub=""),
    "sid is an object": signed(sid={}),
    "sid of nothing": signed(sid=str(uuid.uuid4())),
    "sub of nobody": signed(sub=str(uuid.uuid4())),
    "claims are a list": lambda _c: hs256(HEADER, [], SECRET),
    "claims are no JSON": lambda _c: hs256(HEADER, b"\xff{", SECRET),
    "claims are deep": lambda _c: hs256(HEADER, b"[" * 500, SECRET),
    "header is no JSON": lambda c: f"{b64(b'{')}.{b64(json.dumps(c).encode())}.AAAA",
    "two parts": lambda _c: "a.b",
    "five parts": lambda _c: "a.b.c.d.e",
    "dots": lambda _c: "..",
    "long": lambda _c: "a" * 7000,
}


def claims_of(user: Account) -> Claims:
    now = int(time.time())
    claims: Claims = {"iss": "imts", "aud": "imts:api", "iat": now, "nbf": now, "exp": now + 60, "jti": "1"}
    return claims | {"sub": str(user.id), "sid": str(user.session_id)}


async def me(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.get("/v1/users/me", headers={"Authorization": f"Bearer {token}"})


async def test_the_token_that_is_forged_is_valid(client: httpx.AsyncClient, user: Account) -> None:
    assert (await me(client, signed()(claims_of(user)))).status_code == 200


async def test_a_token_of_a_clock_slightly_ahead_is_valid(client: httpx.AsyncClient, user: Account) -> None:
    ahead = int(time.time()) + 4
    assert (await me(client, signed(iat=ahead, nbf=ahead)(claims_of(user)))).status_code == 200


async def test_forged_tokens_are_401(client: httpx.AsyncClient, user: Account) -> None:
    responses = {name: await me(client, make(claims_of(user))) for name, make in FORGED.items()}
    assert {name: one.status_code for name, one in responses.items() if one.status_code != 401} == {}
    assert {one.json()["type"] for one in responses.values()} == {"/problems/invalid-token"}


async def test_the_session_must_be_the_users_own(client: httpx.AsyncClient, user: Account, admin: Account) -> None:
    assert (await me(client, signed(sid=str(user.session_id))(claims_of(admin)))).status_code == 401
    assert (await me(client, signed(sub=str(admin.id))(claims_of(user)))).status_code == 401


async def test_a_refresh_token_is_no_access_token(client: httpx.AsyncClient, user: Account, settings: Settings) -> None:
    refresh = RefreshTokens(settings.jwt_secret.get_secret_value()).issue(user.session_id)
    assert (await me(client, refresh)).status_code == 401


@pytest.mark.parametrize("header", ["Basic dTpw", "Bearer", "Token x", "", "Bearer \xff", "Bearer a b", "Bearer imts_"])
async def test_other_authorization_headers_are_401(client: httpx.AsyncClient, header: str) -> None:
    response = await client.get("/v1/users/me", headers={b"Authorization": header.encode("latin-1")})
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith('Bearer error="invalid_token", error_description="')


def test_a_verified_token_still_expires_and_has_one_audience(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, claims = AccessTokens(SECRET.decode(), 900), AccessClaims(uuid.uuid4(), uuid.uuid4())
    token = tokens.issue(claims)
    for _ in range(2):
        assert tokens.read(token) == claims
    with pytest.raises(InvalidToken):
        tokens.read(token, audience=Audience.OPS)
    with pytest.raises(InvalidToken):
        tokens.read(token[:-4] + "AAAA")
    later = time.time() + 1000
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(InvalidToken):
        tokens.read(token)


def test_a_secret_is_rotated_by_putting_a_new_one_in_front() -> None:
    claims = AccessClaims(uuid.uuid4(), uuid.uuid4())
    old = AccessTokens("o" * 32, 60)
    rotated = AccessTokens("n" * 32, 60, ["o" * 32])
    assert rotated.read(old.issue(claims)) == claims
    with pytest.raises(InvalidToken):
        old.read(rotated.issue(claims))
    refresh = RefreshTokens("o" * 32).issue(claims.session_id)
    assert RefreshTokens("n" * 32, ["o" * 32]).read(refresh) == claims.session_id
    with pytest.raises(InvalidToken):
        RefreshTokens("n" * 32).read(refresh)


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "ä.b.c", "\ud800", "0" * 32 + ".x.", "a" * 129])
def test_made_up_refresh_tokens_are_invalid(token: str) -> None:
    with pytest.raises(InvalidToken):
        RefreshTokens("n" * 32).read(token)
    assert len(digest_token(token)) == 32


def test_a_refresh_token_of_earlier_versions_is_invalid() -> None:
    with pytest.raises(InvalidToken):
        RefreshTokens("n" * 32).read(f"{uuid.uuid4().hex}.{new_opaque_token()}.{'0' * 32}")


def test_a_signature_of_another_purpose_is_invalid() -> None:
    body = f"{uuid.uuid4().hex}.{new_opaque_token()}"
    token = create_signer(Purpose.CURSOR, "n" * 32).sign(body).decode()
    with pytest.raises(InvalidToken):
        RefreshTokens("n" * 32).read(token)
    assert create_signer(Purpose.REFRESH_TOKEN, "n" * 32).sign(body).decode() != token
