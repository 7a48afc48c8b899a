"""The configured identity providers."""

from app.core.settings import AccountSettings
from app.users.errors import IdentityProviderNotFound
from app.users.social.github import GitHubProvider
from app.users.social.http_client import ProviderHttp
from app.users.social.identity import Provider
from app.users.social.openid import OpenIdProvider


class SocialProviders:
    """The configured identity providers. Opening them asks none of them anything."""

    def __init__(self, settings: AccountSettings) -> None:
        self._http = ProviderHttp()
        self._providers: dict[str, Provider] = {
            name: (GitHubProvider if one.kind == "github" else OpenIdProvider)(one, self._http)
            for name, one in sorted(settings.social_providers.items())
        }

    @property
    def names(self) -> list[str]:
        """The providers' names."""
        return list(self._providers)

    def get(self, name: str) -> Provider:
        """Return a provider. Raises IdentityProviderNotFound."""
        if name not in self._providers:
            raise IdentityProviderNotFound
        return self._providers[name]

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()
