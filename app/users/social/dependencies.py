"""Builds the services of social login and of identities for the endpoints."""

from typing import Annotated

from fastapi import Depends, Request

from app.http.dependencies import ContainerDep
from app.users.dependencies import ReauthenticationDep
from app.users.sessions.dependencies import TokenIssuerDep
from app.users.social.identities import Identities
from app.users.social.providers import SocialProviders
from app.users.social.service import SocialLoginCompletion, SocialLoginStart


def providers_of(request: Request) -> SocialProviders:
    """Return the identity providers that the lifespan opened."""
    providers: SocialProviders = request.state.social_providers
    return providers


async def get_providers(request: Request) -> SocialProviders:
    return providers_of(request)


ProvidersDep = Annotated[SocialProviders, Depends(get_providers)]


async def get_social_login_start(
    container: ContainerDep, providers: ProvidersDep, reauthentication: ReauthenticationDep
) -> SocialLoginStart:
    login_limits = container.settings.login_limits
    return SocialLoginStart(container.database, container.limits, login_limits, providers, reauthentication)


async def get_social_login_completion(
    container: ContainerDep, providers: ProvidersDep, issuer: TokenIssuerDep
) -> SocialLoginCompletion:
    may_sign_up = container.settings.sign_up == "open"
    return SocialLoginCompletion(container.database, providers, issuer, may_sign_up=may_sign_up)


async def get_identities(container: ContainerDep, providers: ProvidersDep) -> Identities:
    return Identities(container.database, providers)


SocialLoginStartDep = Annotated[SocialLoginStart, Depends(get_social_login_start)]
SocialLoginCompletionDep = Annotated[SocialLoginCompletion, Depends(get_social_login_completion)]
IdentitiesDep = Annotated[Identities, Depends(get_identities)]
