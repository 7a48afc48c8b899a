"""Errors of sending mail."""

from app.core.errors import Unavailable


class MailNotConfigured(Unavailable):
    slug, title = "mail-not-configured", "Mail not configured"
    description = "No mail server is configured."


class MailBusy(Unavailable):
    """The queue is full; `retry_after` is in seconds."""

    slug, title = "mail-busy", "Mail busy"
    description = "Too many mails are waiting to be sent."
    retry_after = 30
