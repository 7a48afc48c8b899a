"""Logs of outages: a bounded number of lines, however often the failing work is tried."""

import logging
import time
from collections.abc import Callable

SUMMARY_SECONDS = 60.0


class OutageLog:
    """The log of one state: a line when it begins, a summary each SUMMARY_SECONDS, and a line when it ends."""

    def __init__(
        self, logger: logging.Logger, subject: str, monotonic_seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger = logger
        self._subject = subject
        self._now = monotonic_seconds
        self._failures = 0
        self._began = 0.0
        self._summary_due = 0.0
        self._reported: set[type[Exception]] = set()

    def fail(self, error: Exception, *, traceback: bool = False) -> None:
        """Count a failure. Each type of error is logged once in an outage, with its traceback on request."""
        now = self._now()
        if not self._failures:
            self._began, self._summary_due = now, now + SUMMARY_SECONDS
        self._failures += 1
        if type(error) not in self._reported:
            self._reported.add(type(error))
            level = logging.ERROR if traceback else logging.WARNING
            self._logger.log(
                level, "%s: tries again later: %s", self._subject, error, exc_info=error if traceback else None
            )
        elif now >= self._summary_due:
            self._summary_due = now + SUMMARY_SECONDS
            self._logger.warning("%s: still failing: %s", self._subject, error, extra=self._fields(now))

    def recover(self) -> None:
        """End the outage, if there is one."""
        if not self._failures:
            return
        self._logger.info("%s: recovered", self._subject, extra=self._fields(self._now()))
        self._failures = 0
        self._reported.clear()

    def _fields(self, now: float) -> dict[str, dict[str, float]]:
        return {"fields": {"failures": self._failures, "seconds": round(now - self._began, 1)}}
