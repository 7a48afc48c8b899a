"""The configured identity providers."""

from app.core.settings import Settings
from app.users.errors import IdentityProviderNotFound
from app.users.social.github import GitHubProvider
from app.users.social.http_client import ProviderHttpClient
from app.users.social.identity import Provider
from app.users.social.openid import OpenIdProvider


class SocialProviders:
    """The clients of the configured identity providers. Each connects at its first use."""

    def __init__(self, settings: Settings) -> None:
        self._http = ProviderHttpClient()
        self._public_url = settings.public_url
        self._providers: dict[str, Provider] = {
            name: (GitHubProvider if one.kind == "github" else OpenIdProvider)(one, self._http)
            for name, one in sorted(settings.social_providers.items())
        }

    @property
    def names(self) -> list[str]:
        """The names of the providers, sorted."""
        return list(self._providers)

    def get(self, name: str) -> Provider:
        """Return a provider. Raises IdentityProviderNotFound."""
        if name not in self._providers:
            raise IdentityProviderNotFound
        return self._providers[name]

    def build_redirect_uri(self, name: str) -> str:
        """Return the callback URL of a provider: from the settings, because the client chooses the Host header."""
        return f"{self._public_url}/v1/auth/social/{name}/callback"

    async def close(self) -> None:
        await self._http.close()
