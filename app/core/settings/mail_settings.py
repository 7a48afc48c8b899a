"""Settings of outgoing mail."""

from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr, field_validator


class MailSettings(BaseModel):
    """The mail server and the sender."""

    smtp_url: SecretStr | None = None
    mail_from: str = ""

    @field_validator("smtp_url")
    @classmethod
    def _is_smtp(cls, value: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(value.get_secret_value() if value else "smtp://host")
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError("must be smtp://host:port or smtps://host:port, with user:password@ where it is needed")
        return value
