"""Social login: the redirect to the provider, and the callback that opens a session.

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
from app.core.errors import InvalidToken, SignInRequired
from app.core.rate_limit import RateLimitSettings
from app.core.security import digest_token, is_opaque_token, new_opaque_token
from app.core.text.email_addresses import is_same_mailbox
from app.db.base import utc_now
from app.db.database import Database
from app.models import OAuthFlow, User
from app.ratelimit.policies import social_charges
from app.ratelimit.rate_limiter import RateLimiter
from app.users.accounts.email import normalize_email
from app.users.accounts.repository import UserRepository
from app.users.errors import EmailTaken, IdentityProviderUnavailable, IdentityTaken, SignUpClosed, SocialLoginFailed
from app.users.sessions.reauthentication import Reauthentication
from app.users.sessions.repository import Device
from app.users.sessions.token_issuer import SessionTokens, TokenIssuer
from app.users.social.identity import CodeExchange, Identity
from app.users.social.providers import SocialProviders
from app.users.social.repository import IdentityRepository, OAuthFlowRepository

FLOW_SECONDS = 600
# For all requests to the provider within one request of the client.
PROVIDER_SECONDS = 2.5
# Of one account.
MAX_IDENTITIES = 20
# The start of the state of a flow that a page of this service completes. Providers know only the callback of the API,
# which passes such a flow on.
PAGE_STATE = "page."


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


class SocialLoginStart:
    """Starts an OAuth flow: stores its secrets and makes the URL of the provider's sign-in page."""

    def __init__(
        self,
        database: Database,
        rate_limiter: RateLimiter,
        login_limits: RateLimitSettings,
        providers: SocialProviders,
        reauthentication: Reauthentication,
    ) -> None:
        self._database, self._providers, self._reauthentication = database, providers, reauthentication
        self._rate_limiter, self._login_limits = rate_limiter, login_limits

    async def start(
        self, provider_name: str, principal: Principal, device: Device, browser: str | None, *, of_page: bool = False
    ) -> AuthorizationRedirect:
        """Start a sign-in, or the linking of an identity if the principal has a session.

        `browser` is the token of the browser's cookie. A browser that has one keeps it, so that the flows in its other
        tabs can still complete. A page of this service completes a flow `of_page`.

        Raises IdentityProviderNotFound, IdentityProviderUnavailable, SignInRequired, RecentSignInRequired,
        TooManyRequests.
        """
        provider = self._providers.get(provider_name)
        if principal.key_id is not None:
            raise SignInRequired
        if principal.session_id is not None:
            # A linked identity outlives the access token that linked it.
            await self._reauthentication.require_recent_sign_in(principal)
        await self._rate_limiter.charge(social_charges(self._login_limits, device.address))
        state, nonce, verifier = (new_opaque_token() for _ in range(3))
        if of_page:
            state = PAGE_STATE + state
        browser = browser if browser and is_opaque_token(browser) else new_opaque_token()
        async with _time_limit():
            url = await provider.build_authorization_url(
                state=state,
                nonce=nonce,
                code_challenge=create_s256_code_challenge(verifier),
                redirect_uri=self._providers.build_redirect_uri(provider_name),
            )
        flow = OAuthFlow(
            state_digest=digest_token(state),
            browser_digest=digest_token(browser),
            provider=provider_name,
            nonce=nonce,
            code_verifier=verifier,
            session_id=principal.session_id,
            expires_at=utc_now() + timedelta(seconds=FLOW_SECONDS),
        )
        async with self._database.unit_of_work() as session:
            await OAuthFlowRepository(session).add(flow)
        return AuthorizationRedirect(url, browser)


class SocialLoginCompletion:
    """Completes an OAuth flow: exchanges the code, finds or creates the account, and opens a session."""

    def __init__(
        self, database: Database, providers: SocialProviders, issuer: TokenIssuer, *, may_sign_up: bool
    ) -> None:
        self._database, self._providers, self._issuer = database, providers, issuer
        self._may_sign_up = may_sign_up

    async def complete(self, provider_name: str, callback: AuthorizationCallback, device: Device) -> SessionTokens:
        """Return the tokens of a new session.

        Raises IdentityProviderNotFound, IdentityProviderUnavailable, SocialLoginFailed, SignUpClosed, InvalidToken.
        """
        provider = self._providers.get(provider_name)
        flow = await self._remove_flow(provider_name, callback)
        if callback.code is None:
            raise SocialLoginFailed("The identity provider reported an error")
        if callback.issuer not in (None, provider.issuer):
            raise SocialLoginFailed("The response comes from another identity provider")
        redirect_uri = self._providers.build_redirect_uri(provider_name)
        exchange = CodeExchange(callback.code, flow.code_verifier, flow.nonce, redirect_uri)
        async with _time_limit():
            identity = await provider.identify(exchange)
        try:
            return await self._open_session(flow, identity, device)
        except (EmailTaken, IdentityTaken):
            # A concurrent flow of the same person has created the account in the meantime.
            return await self._open_session(flow, identity, device)

    async def _remove_flow(self, provider_name: str, callback: AuthorizationCallback) -> OAuthFlow:
        if not callback.state or not callback.browser or not is_opaque_token(callback.browser):
            raise SocialLoginFailed("This browser has not started a social login")
        state, browser = digest_token(callback.state), digest_token(callback.browser)
        async with self._database.unit_of_work() as session:
            flow = await OAuthFlowRepository(session).remove_valid(provider_name, state, browser)
        if flow is None:
            raise SocialLoginFailed("The login was started by another browser, has expired or is already complete")
        return flow

    async def _open_session(self, flow: OAuthFlow, identity: Identity, device: Device) -> SessionTokens:
        async with self._database.unit_of_work() as session:
            user = await _find_or_create_account(session, flow, identity, may_sign_up=self._may_sign_up)
            user.token = hashlib.sha256(identity.access_token.encode("utf-8", "surrogatepass")).hexdigest()
            lifetime = identity.expires_in
            user.expire_at = utc_now() + timedelta(seconds=lifetime) if lifetime else None
            await session.flush()
            return await self._issuer.open_session(session, user.id, device)


async def _find_or_create_account(
    session: AsyncSession, flow: OAuthFlow, identity: Identity, *, may_sign_up: bool
) -> User:
    identities, users = IdentityRepository(session), UserRepository(session)
    linked_user = await identities.find_user(identity)
    if flow.session_id is not None:
        user = await _get_linking_account(users, flow.session_id, linked_user)
    else:
        user = linked_user or await _find_or_create_by_email(users, identity, may_sign_up=may_sign_up)
    if user.disabled:
        raise SocialLoginFailed("The account is disabled")
    if linked_user is None:
        if len(await identities.list_all(user.id)) >= MAX_IDENTITIES:
            raise SocialLoginFailed(f"The account has {MAX_IDENTITIES} identities, the maximum. Unlink one first.")
        await identities.add(identity, flow.provider, user.id)
    if identity.email_verified and is_same_mailbox(_normalize_address(identity) or "", user.email):
        user.email_verified = True
    return user


async def _get_linking_account(users: UserRepository, session_id: uuid.UUID, linked_user: User | None) -> User:
    """Return the account of the session that started the flow. Raises InvalidToken, SocialLoginFailed."""
    user = await users.find_by_session_for_change(session_id)
    if user is None:
        raise InvalidToken("The session has ended")
    if linked_user and linked_user.id != user.id:
        raise SocialLoginFailed("The identity is linked to another account")
    return user


async def _find_or_create_by_email(users: UserRepository, identity: Identity, *, may_sign_up: bool) -> User:
    email = _normalize_address(identity)
    if email is None or not identity.email_verified:
        raise SocialLoginFailed("The identity provider reports no verified e-mail address")
    user = await users.find_by_email_for_change(email)
    if user is None:
        if not may_sign_up:
            raise SignUpClosed
        return await users.add(email, None, email_verified=True)
    # Two mailboxes can have the same key. The account may then belong to another person.
    if not user.email_verified or not is_same_mailbox(email, user.email):
        raise SocialLoginFailed("An account with this e-mail address exists. Sign in to it, then link the identity.")
    return user


def _normalize_address(identity: Identity) -> str | None:
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
