"""A real SMTP server for tests, which keeps what it is sent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP


@dataclass(slots=True)
class Mailbox:
    """The mails that the server at `url` has received. It refuses the next `refuses` mails."""

    url: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refuses: int = 0
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        await self.goes_on.wait()
        if self.refuses > 0:
            self.refuses -= 1
            return "451 Try again later"
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        self.recipients += envelope.rcpt_tos
        return "250 OK"

    async def next_mail(self, number: int = 1) -> EmailMessage:
        """Return the mail of this number once it has arrived."""
        async with asyncio.timeout(60):
            while len(self.mails) < number:
                await asyncio.sleep(0.02)
        return self.mails[number - 1]


@asynccontextmanager
async def smtp_server() -> AsyncIterator[Mailbox]:
    """Serve SMTP on a free port of the loopback."""
    mailbox = Mailbox()
    mailbox.goes_on.set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(mailbox, enable_SMTPUTF8=True, hostname="localhost", loop=loop), "127.0.0.1", 0
    )
    mailbox.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield mailbox
    finally:
        mailbox.goes_on.set()
        server.close()
