"""Builds the services and the repositories of sessions for the endpoints."""

from datetime import timedelta
from typing import Annotated

from fastapi import Depends

from app.core.security import Audience
from app.http.container import Container
from app.http.dependencies import ContainerDep, ReaderDep, SessionDep
from app.users.authentication import Authenticator
from app.users.sessions.browser_sessions import BrowserSessions
from app.users.sessions.repository import UserSessionRepository
from app.users.sessions.service import PasswordSignIn, SessionRefresh
from app.users.sessions.token_issuer import TokenIssuer


async def get_token_issuer(container: ContainerDep) -> TokenIssuer:
    lifetime = timedelta(seconds=container.settings.refresh_token_seconds)
    return TokenIssuer(container.access_tokens, container.refresh_tokens, lifetime)


TokenIssuerDep = Annotated[TokenIssuer, Depends(get_token_issuer)]


async def get_password_sign_in(container: ContainerDep, issuer: TokenIssuerDep) -> PasswordSignIn:
    login_limits = container.settings.login_limits
    return PasswordSignIn(container.database, container.limits, login_limits, container.passwords, issuer)


def browser_sessions_of(
    container: Container, password_sign_in: PasswordSignIn, audience: Audience, lifetime: int
) -> BrowserSessions:
    """Build the sessions of one audience; `lifetime` is in seconds."""
    authenticator = Authenticator(container.database, container.access_tokens)
    return BrowserSessions(
        container.database, container.access_tokens, password_sign_in, authenticator, audience, lifetime
    )


async def get_session_refresh(container: ContainerDep, issuer: TokenIssuerDep) -> SessionRefresh:
    return SessionRefresh(container.database, container.limits, container.settings.refresh_limits, issuer)


async def get_sessions(session: SessionDep) -> UserSessionRepository:
    return UserSessionRepository(session)


async def get_sessions_reader(session: ReaderDep) -> UserSessionRepository:
    return UserSessionRepository(session)


PasswordSignInDep = Annotated[PasswordSignIn, Depends(get_password_sign_in)]
SessionRefreshDep = Annotated[SessionRefresh, Depends(get_session_refresh)]
UserSessionsRepo = Annotated[UserSessionRepository, Depends(get_sessions)]
UserSessionsReader = Annotated[UserSessionRepository, Depends(get_sessions_reader)]
