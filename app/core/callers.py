"""The caller of the current request, for the queues in front of shared resources."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from uuid import UUID

# The longest form of an IPv6 address has an embedded IPv4 address.
MAX_ADDRESS_LENGTH = 45
# The network of a client without an address.
UNKNOWN = "unknown"


async def _is_never_disconnected() -> bool:
    return False


class Caller:
    """Address, request id and, once authenticated, account and credential of a request.

    `is_disconnected` returns whether the client has disconnected. `inside` holds the queues that the request has
    passed: a request that enters one again does not wait for itself.
    """

    def __init__(self, host: str | None, request_id: str | None = None) -> None:
        self._host = host
        self.request_id = request_id
        self.account: UUID | None = None
        # The id of the session or of the API key.
        self.credential: UUID | None = None
        self.is_disconnected: Callable[[], Awaitable[bool]] = _is_never_disconnected
        self.inside: set[object] = set()

    @property
    def address(self) -> str:
        """The address, or the network of an IPv6 address."""
        return rate_limit_network(self._host)


# None outside of requests: background tasks and commands wait in no queue.
current_caller: ContextVar[Caller | None] = ContextVar("current_caller", default=None)


# The argument is an address of the transport or of at most MAX_ADDRESS_LENGTH, so that the entries are short.
@lru_cache(maxsize=4096)
def rate_limit_network(address: str | None) -> str:
    """Return the unit that limits count: an IPv4 address, or the /64 of an IPv6 address, which belongs to one site."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return UNKNOWN
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or IPv6Address(int(parsed) >> 64 << 64))
