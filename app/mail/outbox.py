"""The queue of mails to send. A request adds a job and gets its response without waiting for the mail server.

A mail is lost after three failed attempts, or when the process is killed. Its recipient can request another one.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aiosmtplib import SMTPException

from app.core.errors import AppError
from app.core.observability.logging import get_logger
from app.core.observability.outages import OutageLog
from app.core.settings import Settings
from app.mail.errors import MailBusy, MailNotConfigured
from app.mail.smtp import SmtpServer

logger = get_logger(__name__)

Job: TypeAlias = Callable[[], Awaitable[None]]

QUEUE_LENGTH = 500
CONCURRENT_MAILS = 4
PAUSES_SECONDS = (1, 10, None)
DRAIN_SECONDS = 3


class _SendFailed(Exception):
    """A failed attempt. The message is the type of the error: the error's own message may contain the address."""


class Outbox:
    """Runs the jobs of one worker process, CONCURRENT_MAILS at a time."""

    def __init__(self, settings: Settings) -> None:
        self._server = SmtpServer(settings) if settings.smtp_url else None
        self._jobs: asyncio.Queue[Job] = asyncio.Queue(QUEUE_LENGTH)
        self._outage = OutageLog(logger, "send mail")

    def require_configured(self) -> None:
        """Raise MailNotConfigured unless there is an SMTP server."""
        if self._server is None:
            raise MailNotConfigured("The service has no SMTP_URL and sends no mail.")

    def submit(self, job: Job) -> None:
        """Run the job later. Raises MailNotConfigured, MailBusy."""
        self.require_configured()
        try:
            self._jobs.put_nowait(job)
        except asyncio.QueueFull as error:
            raise MailBusy from error

    async def run_forever(self) -> None:
        """Run the jobs until the task is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(CONCURRENT_MAILS):
                tasks.create_task(self._run_jobs())

    async def close(self) -> None:
        """Wait for the submitted jobs, at most DRAIN_SECONDS."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._jobs.join(), DRAIN_SECONDS)

    async def send(self, recipient: str, subject: str, text: str) -> None:
        """Send a mail, in up to three attempts. An outage is logged once, without the recipient."""
        if self._server is None:
            return
        for pause in PAUSES_SECONDS:
            try:
                await self._server.send(recipient, subject, text)
            except (SMTPException, OSError, ValueError) as error:
                self._outage.fail(_SendFailed(type(error).__name__))
                if pause is None:
                    return
                await asyncio.sleep(pause)
            else:
                self._outage.recover()
                return

    async def _run_jobs(self) -> None:
        while True:
            job = await self._jobs.get()
            try:
                await job()
            except AppError as error:
                logger.warning("mail not prepared", error=error)
            except Exception:
                logger.exception("mail not prepared")
            finally:
                self._jobs.task_done()
