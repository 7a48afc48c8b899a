"""Settings of the secret that signs what clients send back."""

from pydantic import BaseModel, SecretStr


class AccountSettings(BaseModel):
    """The secret of page cursors. Accounts would have their settings here, too."""

    jwt_secret: SecretStr = SecretStr("")
    # Comma-separated: used to verify existing cursors, never to sign new ones.
    jwt_previous_secrets: SecretStr = SecretStr("")

    @property
    def previous_secrets(self) -> list[str]:
        """The secrets that verify cursors of before a rotation."""
        return [one.strip() for one in self.jwt_previous_secrets.get_secret_value().split(",") if one.strip()]
