"""Making tags: how many a caller may still make, and making those that are missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from app.authz.principal import Principal
from app.core.rate_limit import RateLimitSettings
from app.db.database import Database
from app.ratelimit.policies import new_tag_charges
from app.ratelimit.rate_limiter import RateLimiter
from app.tags.repository import TagRepository


@dataclass(frozen=True, slots=True)
class TagCreator:
    """Makes tags for one caller, within NEW_TAG_LIMITS. Admins are not limited."""

    database: Database
    limits: RateLimiter
    rates: RateLimitSettings
    principal: Principal
    address: str | None

    async def ensure(self, names: Sequence[str], private_to: UUID | None = None) -> None:
        """Create the missing tags in a unit of work of their own. Raises TooManyRequests.

        With `private_to`, the tags are hidden from others until a public image has them.
        """
        if missing := await self._charge(names):
            async with self.database.unit_of_work() as session:
                await TagRepository(session).add_missing(missing, private_to)

    async def ensure_listed(self, names: Sequence[str]) -> None:
        """Create the missing tags, and list all of them for everyone. Raises TooManyRequests, DatabaseBusy."""
        await self._charge(names)
        async with self.database.unit_of_work() as session:
            await TagRepository(session).add_listed(names)

    async def _charge(self, names: Sequence[str]) -> list[str]:
        """Charge for the missing ones and return them; no connection is held meanwhile."""
        async with self.database.read_session() as session:
            missing = await TagRepository(session).list_missing(names)
        if missing and not self.principal.is_admin:
            await self.limits.charge(new_tag_charges(self.rates, self.principal.id, self.address, len(missing)))
        return missing
