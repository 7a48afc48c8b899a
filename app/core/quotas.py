"""What a request has left of its limits: the layers below note it, the answer's `RateLimit-*` headers tell it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Quota:
    """`limit` uses in `seconds`, of which `remaining` are left; after `reset` seconds without use, all of them are.

    `policy` is the name of the limited action.
    """

    limit: int
    seconds: int
    remaining: int
    reset: int
    policy: str = "default"


class Quotas:
    """The quotas that one request was charged to."""

    __slots__ = ("tightest",)

    def __init__(self) -> None:
        self.tightest: Quota | None = None


_current: ContextVar[Quotas | None] = ContextVar("quotas", default=None)


@contextmanager
def noting_quotas() -> Iterator[Quotas]:
    """Note what is charged in the block."""
    quotas = Quotas()
    token = _current.set(quotas)
    try:
        yield quotas
    finally:
        _current.reset(token)


def note_quota(quota: Quota) -> None:
    """Note a charge; of several, the one that will be refused first counts."""
    quotas = _current.get()
    if quotas and (quotas.tightest is None or quota.remaining < quotas.tightest.remaining):
        quotas.tightest = quota


def note_refund() -> None:
    """Note that the charge was taken back."""
    quotas = _current.get()
    if quotas and quotas.tightest:
        quotas.tightest.remaining += 1
