"""Creates notes within the rate limit of the client."""

from app.core.callers import rate_limit_network
from app.core.rate_limit import RateLimitSettings
from app.models import Note
from app.notes.repository import NoteRepository
from app.ratelimit.rate_limiter import Charge, RateLimiter


class NewNotes:
    """The use case of new notes."""

    def __init__(self, notes: NoteRepository, limiter: RateLimiter, limits: RateLimitSettings) -> None:
        self._notes, self._limiter, self._limits = notes, limiter, limits

    async def create(self, title: str, text: str, address: str | None) -> Note:
        """Store a note of the client at this address. Raises NoteExists, TooManyRequests."""
        place = rate_limit_network(address)
        await self._limiter.charge(
            [Charge(f"new-notes address {place}", self._limits.address), Charge("new-notes total", self._limits.total)]
        )
        return await self._notes.add(title, text)
