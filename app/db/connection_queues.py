"""The limits of the queues in front of the connection pool.

SQLAlchemy's pool serves requests in their order, whoever sends them. These queues admit no more requests than it has
connections, fairly by address and account. A change may have to wait for a row lock with its connection. So changes
have a second queue: they take three quarters of the connections at most, and one account takes half of those. Reads
find a connection free, however many changes wait for one row.
"""

from app.core.fair_queue import QueueLimits

WAITING = 1000
WAITING_EACH = 250


def pool_limits(connections: int, seconds: float) -> QueueLimits:
    """Return the limits for all requests that use the pool."""
    address = max(1, connections - connections // 10)
    return QueueLimits(connections, address, address, WAITING, WAITING_EACH, seconds)


def writer_limits(connections: int, seconds: float) -> QueueLimits:
    """Return the limits for requests that change something."""
    slots = max(1, connections * 3 // 4)
    return QueueLimits(slots, max(1, slots // 2), max(1, slots * 3 // 4), WAITING, WAITING_EACH, seconds)
