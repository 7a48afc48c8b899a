"""The quotas of the current request, for the `RateLimit-*` headers of its response."""

from contextvars import ContextVar, Token
from typing import NamedTuple, Self


class Quota(NamedTuple):
    """`limit` uses in `seconds`, of which `remaining` are left; after `reset` seconds without use, all of them are.

    `policy` is the name of the limited action.
    """

    limit: int
    seconds: int
    remaining: int
    reset: int
    policy: str = "default"


class Quotas:
    """Collects the quotas that are noted in its `with` block; `most_restrictive` has the fewest uses left."""

    __slots__ = ("_token", "most_restrictive")

    def __init__(self) -> None:
        self.most_restrictive: Quota | None = None

    def __enter__(self) -> Self:
        self._token: Token[Quotas | None] = _current.set(self)
        return self

    def __exit__(self, *_exception: object) -> None:
        _current.reset(self._token)


_current: ContextVar[Quotas | None] = ContextVar("quotas", default=None)


def note_quota(quota: Quota) -> None:
    """Note the quota after a charge."""
    quotas = _current.get()
    if quotas and (quotas.most_restrictive is None or quota.remaining < quotas.most_restrictive.remaining):
        quotas.most_restrictive = quota


def note_refund() -> None:
    """Note that a charge was reversed."""
    quotas = _current.get()
    if quotas and quotas.most_restrictive:
        quotas.most_restrictive = quotas.most_restrictive._replace(remaining=quotas.most_restrictive.remaining + 1)
