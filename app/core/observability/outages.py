"""Logs of outages: a bounded number of lines, however often the failing work is retried."""

import time
from collections.abc import Callable

from structlog.stdlib import BoundLogger

SUMMARY_SECONDS = 60.0


class OutageLog:
    """The log of one job: an event when an outage begins, a summary each SUMMARY_SECONDS, an event when it ends."""

    def __init__(self, logger: BoundLogger, job: str, monotonic_seconds: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger.bind(job=job)
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
            if traceback:
                self._logger.error("outage began", error=error, exc_info=error)
            else:
                self._logger.warning("outage began", error=error)
        elif now >= self._summary_due:
            self._summary_due = now + SUMMARY_SECONDS
            self._logger.warning("outage continues", error=error, **self._duration(now))

    def recover(self) -> None:
        """End the outage, if there is one."""
        if not self._failures:
            return
        self._logger.info("outage ended", **self._duration(self._now()))
        self._failures = 0
        self._reported.clear()

    def _duration(self, now: float) -> dict[str, float]:
        return {"failures": self._failures, "seconds": round(now - self._began, 1)}
