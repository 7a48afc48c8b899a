"""GitHub, which has OAuth 2 and an API instead of OpenID Connect."""

from typing import Any

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri

from app.core.identity_providers import IdentityProvider
from app.users.errors import SocialLoginFailed
from app.users.social.http_client import ProviderHttpClient
from app.users.social.identity import CodeExchange, Identity, read_lifetime


class GitHubProvider:
    """GitHub or a GitHub Enterprise server. There is no ID token; state and PKCE bind the login to the browser."""

    def __init__(self, settings: IdentityProvider, http: ProviderHttpClient) -> None:
        self._settings, self._http = settings, http
        self.issuer = settings.issuer

    async def build_authorization_url(self, *, state: str, nonce: str, code_challenge: str, redirect_uri: str) -> str:  # noqa: ARG002
        """Return the URL of GitHub's sign-in page. GitHub supports no nonce."""
        uri = prepare_grant_uri(
            f"{self.issuer}/login/oauth/authorize",
            client_id=self._settings.client_id,
            response_type="code",
            redirect_uri=redirect_uri,
            scope=self._settings.scope,
            state=state,
            code_challenge=code_challenge,
            code_challenge_method="S256",
        )
        return str(uri)

    async def identify(self, exchange: CodeExchange) -> Identity:
        """Exchange the code and read the account. Raises SocialLoginFailed, IdentityProviderUnavailable."""
        form = {
            "client_id": self._settings.client_id,
            "client_secret": self._settings.client_secret.get_secret_value(),
            "code": exchange.code,
            "redirect_uri": exchange.redirect_uri,
            "code_verifier": exchange.code_verifier,
        }
        token = await self._http.post(f"{self.issuer}/login/oauth/access_token", form)
        # GitHub reports a refused code with 200 and an `error`.
        if not isinstance(token, dict) or not isinstance(token.get("access_token"), str):
            raise SocialLoginFailed("The identity provider returned no token")
        user = await self._http.get(f"{self._settings.api_url}/user", bearer=token["access_token"])
        if not isinstance(user, dict) or type(user.get("id")) is not int:
            raise SocialLoginFailed("The identity provider returned no account id")
        emails = await self._http.get(f"{self._settings.api_url}/user/emails", bearer=token["access_token"])
        email, verified = _primary(emails)
        return Identity(self.issuer, str(user["id"]), email, verified, token["access_token"], read_lifetime(token))


def _primary(emails: Any) -> tuple[str | None, bool]:
    for one in emails if isinstance(emails, list) else ():
        if isinstance(one, dict) and one.get("primary") is True and isinstance(one.get("email"), str):
            return one["email"], one.get("verified") is True
    return None, False
