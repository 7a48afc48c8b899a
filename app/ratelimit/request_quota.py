"""What a request has left of its limits: the layers below note it, the answer's `RateLimit-*` headers tell it."""

from contextvars import ContextVar, Token
from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True, slots=True)
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
    """The quotas that one request was charged to: those that are noted in its `with` block."""

    __slots__ = ("_token", "tightest")

    def __init__(self) -> None:
        self.tightest: Quota | None = None

    def __enter__(self) -> Self:
        self._token: Token[Quotas | None] = _current.set(self)
        return self

    def __exit__(self, *_exception: object) -> None:
        _current.reset(self._token)


_current: ContextVar[Quotas | None] = ContextVar("quotas", default=None)


def note_quota(quota: Quota) -> None:
    """Note a charge; of several, the one that will be refused first counts."""
    quotas = _current.get()
    if quotas and (quotas.tightest is None or quota.remaining < quotas.tightest.remaining):
        quotas.tightest = quota


def note_refund() -> None:
    """Note that the charge was taken back."""
    quotas = _current.get()
    if quotas and quotas.tightest:
        quotas.tightest = replace(quotas.tightest, remaining=quotas.tightest.remaining + 1)
