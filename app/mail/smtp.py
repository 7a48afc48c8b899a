"""Sends one mail to the SMTP server of `SMTP_URL`."""

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, make_msgid
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

import aiosmtplib

from app.core.settings import Settings
from app.db.base import utc_now

TIMEOUT_SECONDS = 10


class SmtpServer:
    """The server and the sender of every mail.

    `smtps://` uses TLS from the start. `smtp://` uses STARTTLS if the server offers it. With a password in the URL,
    STARTTLS is required, except on the loopback, so that no attacker on the network can strip it.
    """

    def __init__(self, settings: Settings) -> None:
        parts = urlsplit(settings.smtp_url.get_secret_value() if settings.smtp_url else "")
        self._host = parts.hostname or ""
        self._port = parts.port
        self._username = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._use_tls = parts.scheme == "smtps"
        needs_tls = self._password is not None and not _is_loopback(self._host)
        self._start_tls = False if self._use_tls else (True if needs_tls else None)
        self._local = urlsplit(settings.public_url).hostname or "localhost"
        self._sender = settings.mail_from or f"no-reply@{self._local}"

    async def send(self, recipient: str, subject: str, text: str) -> None:
        """Send a plain-text mail. Raises aiosmtplib.SMTPException, OSError, ValueError."""
        address = _with_ascii_domain(recipient)
        local, _, domain = address.rpartition("@")
        message = EmailMessage(policy=SMTP if address.isascii() else SMTPUTF8)
        message["From"] = self._sender
        # The parser of whole addresses refuses a local part that is not in ASCII (RFC 6531).
        message["To"] = Address(addr_spec=address) if address.isascii() else Address(username=local, domain=domain)
        message["Subject"] = subject
        message["Date"] = format_datetime(utc_now())
        message["Message-ID"] = make_msgid(domain=self._local)
        # RFC 3834: no out-of-office reply comes back.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        await aiosmtplib.send(
            message,
            recipients=[address],
            hostname=self._host,
            port=self._port,
            username=self._username,
            password=self._password,
            use_tls=self._use_tls,
            start_tls=self._start_tls,
            # By default, the library looks up its own host name, which may take seconds.
            local_hostname=self._local,
            timeout=TIMEOUT_SECONDS,
        )


def _with_ascii_domain(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.encode('idna').decode()}" if not domain.isascii() else address


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
