"""Forgets the logins that have run out: they hold addresses and user agents, which nobody needs any more."""

from app.db.session import Database
from app.users.session_repository import SessionRepository
from app.users.social.repository import SocialRepository

BATCH = 1000


async def remove_expired_logins(database: Database) -> None:
    """Delete sessions, and social logins under way, whose time is over; safe to run in many processes at once.

    In batches that are committed, so that a backlog neither outlasts a time limit nor holds locks. Raises AppError when
    the database does not answer.
    """
    for repository in (SessionRepository, SocialRepository):
        removed = BATCH
        while removed == BATCH:
            async with database.unit_of_work() as session:
                removed = await repository(session).remove_expired(BATCH)
