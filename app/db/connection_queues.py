"""The limits of the queues in front of the connection pool.

SQLAlchemy's pool serves requests in order of arrival, regardless of the client. These queues admit no more requests
than it has connections, fairly by address and account. A change may hold its connection while it waits for a row lock.
Therefore, changes have a second queue: they use at most three quarters of the connections, and one account at most half
of those. Reads find a free connection, even if many changes wait for one row.
"""

from app.core.fair_queue import QueueLimits

WAITING = 1000
WAITING_EACH = 250


def pool_limits(connections: int, seconds: float) -> QueueLimits:
    """Return the limits for all requests that use the pool."""
    address = max(1, connections - connections // 10)
    return QueueLimits(connections, address, address, WAITING, WAITING_EACH, seconds)


def writer_limits(connections: int, seconds: float) -> QueueLimits:
    """Return the limits for requests that write."""
    slots = max(1, connections * 3 // 4)
    return QueueLimits(slots, max(1, slots // 2), max(1, slots * 3 // 4), WAITING, WAITING_EACH, seconds)
