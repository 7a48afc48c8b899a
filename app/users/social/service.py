"""Social login: from the redirect to the provider to an open session.

An account is found by issuer and subject. By e-mail it is found only if the address is verified by the provider and in
the account. Otherwise a person who signs up with the address of another would share the account with them.
"""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from sqlalchemy.ext.asyncio import AsyncSession

from app.authz.principal import Principal
from app.core.errors import EmailTaken, IdentityTaken, InvalidToken, SignInRequired, SocialLoginFailed
from app.core.security import digest_token, is_opaque_token, new_opaque_token
from app.core.text.email_addresses import is_same_mailbox
from app.db.base import utc_now
from app.http.container import Container
from app.models import OAuthFlow, User
from app.ratelimit.policies import social_charges
from app.users.accounts.email import normalize_email
from app.users.accounts.repository import UserRepository
from app.users.errors import IdentityProviderUnavailable, SignUpClosed
from app.users.schemas import TokenRead
from app.users.sessions.reauthentication import Proof
from app.users.sessions.repository import Device, UserSessionRepository
from app.users.sessions.service import SignIn
from app.users.social.identity import CodeExchange, Identity
from app.users.social.providers import SocialProviders
from app.users.social.repository import SocialRepository

SIGN_IN_SECONDS = 600
# For all requests to the provider within one request of the client.
PROVIDER_SECONDS = 2.5
# Of one account.
MAX_IDENTITIES = 20


@dataclass(frozen=True, slots=True)
class AuthorizationRedirect:
    """The URL of the provider, and the token that identifies the browser at the callback."""

    url: str
    browser: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuthorizationCallback:
    """The parameters of the callback from the provider."""

    state: str | None = field(repr=False)
    code: str | None = field(repr=False)
    issuer: str | None
    browser: str | None = field(repr=False)


class SocialLogin:
    """Starts and ends logins at identity providers."""

    def __init__(self, container: Container, providers: SocialProviders, proof: Proof) -> None:
        self._services, self._providers, self._proof = container, providers, proof

    async def start(
        self, name: str, principal: Principal, device: Device, browser: str | None
    ) -> AuthorizationRedirect:
        """Begin a login, or the linking of an identity when the principal is signed in.

        `browser` is the token of the browser's cookie. A browser that has one keeps it, so that the logins in its
        other tabs can still end.

        Raises IdentityProviderNotFound, IdentityProviderUnavailable, SignInRequired, RecentSignInRequired,
        TooManyRequests.
        """
        provider = self._providers.get(name)
        if principal.key_id is not None:
            raise SignInRequired
        if principal.session_id is not None:
            # A linked identity outlives the access token that linked it.
            await self._proof.require_recent_sign_in(principal)
        await self._services.limits.charge(social_charges(self._services.settings.login_limits, device.address))
        state, nonce, verifier = (new_opaque_token() for _ in range(3))
        browser = browser if browser and is_opaque_token(browser) else new_opaque_token()
        async with _time_limit():
            url = await provider.authorization_url(
                state=state,
                nonce=nonce,
                code_challenge=create_s256_code_challenge(verifier),
                redirect_uri=self._redirect_uri(name),
            )
        sign_in = OAuthFlow(
            state_digest=digest_token(state),
            browser_digest=digest_token(browser),
            provider=name,
            nonce=nonce,
            code_verifier=verifier,
            session_id=principal.session_id,
            expires_at=utc_now() + timedelta(seconds=SIGN_IN_SECONDS),
        )
        async with self._services.database.unit_of_work() as session:
            await SocialRepository(session).add_sign_in(sign_in)
        return AuthorizationRedirect(url, browser)

    async def finish(self, name: str, callback: AuthorizationCallback, device: Device) -> TokenRead:
        """End a login: open a session. Raises SocialLoginFailed, SignUpClosed, IdentityProviderUnavailable."""
        provider = self._providers.get(name)
        sign_in = await self._take(name, callback)
        if callback.code is None:
            raise SocialLoginFailed("The identity provider reported an error")
        if callback.issuer not in (None, provider.issuer):
            raise SocialLoginFailed("The response comes from another identity provider")
        exchange = CodeExchange(callback.code, sign_in.code_verifier, sign_in.nonce, self._redirect_uri(name))
        async with _time_limit():
            identity = await provider.identify(exchange)
        try:
            return await self._open_session(sign_in, identity, device)
        except (EmailTaken, IdentityTaken):
            # The same person's other first login was faster: now the account is there.
            return await self._open_session(sign_in, identity, device)

    async def _take(self, name: str, callback: AuthorizationCallback) -> OAuthFlow:
        if not callback.state or not callback.browser or not is_opaque_token(callback.browser):
            raise SocialLoginFailed("This browser has not started a social login")
        state, browser = digest_token(callback.state), digest_token(callback.browser)
        async with self._services.database.unit_of_work() as session:
            sign_in = await SocialRepository(session).take_sign_in(name, state, browser)
        if sign_in is None:
            raise SocialLoginFailed("The login was started by another browser, has expired or is already complete")
        return sign_in

    async def _open_session(self, sign_in: OAuthFlow, identity: Identity, device: Device) -> TokenRead:
        async with self._services.database.unit_of_work() as session:
            user = await _account(session, sign_in, identity, may_sign_up=self._services.settings.sign_up == "open")
            user.token = hashlib.sha256(identity.access_token.encode("utf-8", "surrogatepass")).hexdigest()
            lifetime = identity.expires_in
            user.expire_at = utc_now() + timedelta(seconds=lifetime) if lifetime else None
            await session.flush()
            return await SignIn(self._services).open_session(UserSessionRepository(session), user.id, device)

    def _redirect_uri(self, name: str) -> str:
        # From the settings and never from the Host header, which the client chooses.
        return f"{self._services.settings.public_url}/v1/auth/social/{name}/callback"


async def _account(session: AsyncSession, sign_in: OAuthFlow, identity: Identity, *, may_sign_up: bool) -> User:
    social = SocialRepository(session)
    known = await social.find_user(identity)
    if sign_in.session_id is not None:
        user = await _linking_account(social, sign_in.session_id, known)
    else:
        user = known or await _account_by_email(UserRepository(session), identity, may_sign_up=may_sign_up)
    if user.disabled:
        raise SocialLoginFailed("The account is disabled")
    if known is None:
        if len(await social.list_identities(user.id)) >= MAX_IDENTITIES:
            raise SocialLoginFailed(f"The account has {MAX_IDENTITIES} identities, the maximum. Unlink one first.")
        await social.link(identity, sign_in.provider, user.id)
    if identity.email_verified and is_same_mailbox(_address(identity) or "", user.email):
        user.email_verified = True
    return user


async def _linking_account(social: SocialRepository, session_id: uuid.UUID, known: User | None) -> User:
    user = await social.find_session_user(session_id)
    if user is None:
        raise InvalidToken("The session has ended")
    if known and known.id != user.id:
        raise SocialLoginFailed("The identity is linked to another account")
    return user


async def _account_by_email(users: UserRepository, identity: Identity, *, may_sign_up: bool) -> User:
    email = _address(identity)
    if email is None or not identity.email_verified:
        raise SocialLoginFailed("The identity provider reports no verified e-mail address")
    user = await users.find_by_email_for_change(email)
    if user is None:
        if not may_sign_up:
            raise SignUpClosed
        return await users.add(email, None, email_verified=True)
    # An account whose address has only the same key may be another person's.
    if not user.email_verified or not is_same_mailbox(email, user.email):
        raise SocialLoginFailed("An account with this e-mail address exists. Sign in to it, then link the identity.")
    return user


def _address(identity: Identity) -> str | None:
    try:
        return normalize_email(identity.email) if identity.email else None
    except ValueError:
        return None


@asynccontextmanager
async def _time_limit() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(PROVIDER_SECONDS):
            yield
    except TimeoutError as error:
        raise IdentityProviderUnavailable from error
