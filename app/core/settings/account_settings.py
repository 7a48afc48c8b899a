"""Settings of accounts and their credentials."""

from typing import Literal

from pydantic import BaseModel, PositiveInt, SecretStr

from app.core.identity_providers import IdentityProviders


class AccountSettings(BaseModel):
    """Tokens, sign-up, API keys and identity providers."""

    jwt_secret: SecretStr = SecretStr("")
    # Comma-separated: used to verify existing tokens, never to sign new ones.
    jwt_previous_secrets: SecretStr = SecretStr("")
    access_token_seconds: PositiveInt = 15 * 60
    refresh_token_seconds: PositiveInt = 30 * 24 * 3600
    sign_up: Literal["open", "invite", "closed"] = "open"
    max_api_keys_per_user: PositiveInt = 50
    social_providers: IdentityProviders = {}

    @property
    def previous_secrets(self) -> list[str]:
        """The secrets that verify tokens of before a rotation."""
        return [one.strip() for one in self.jwt_previous_secrets.get_secret_value().split(",") if one.strip()]
