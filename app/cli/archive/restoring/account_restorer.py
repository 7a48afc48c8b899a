"""Restores the accounts of an archive."""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.audit_log import AuditLog
from app.cli.archive.archive_format import ArchivedAccount
from app.cli.archive.archive_reader import BrokenLine
from app.cli.archive.restoring.restore_repository import RestoreRepository
from app.cli.archive.restoring.restore_results import RestoreOutcome, RestoreResult
from app.core.resource_paths import user_path
from app.db.database import Database
from app.models import AuditAction

BATCH = 500


@dataclass(slots=True)
class AccountRestorer:
    """Adds missing accounts. `owners` has the account of the service for each one whose address is in use."""

    database: Database
    audit: AuditLog
    record: Callable[[RestoreResult], None]
    is_dry_run: bool
    owners: dict[uuid.UUID, uuid.UUID] = field(default_factory=dict)
    # In a dry run: the accounts that would exist.
    expected: set[uuid.UUID] = field(default_factory=set)

    async def restore(self, accounts: Iterable[ArchivedAccount | BrokenLine]) -> None:
        """Record a result for each account. Raises DatabaseUnavailable, DatabaseBusy."""
        remaining = iter(accounts)
        while batch := list(islice(remaining, BATCH)):
            results: list[RestoreResult] = []
            async with self.database.unit_of_work() as session:
                for one in batch:
                    if isinstance(one, BrokenLine):
                        results.append(RestoreResult(one.place, RestoreOutcome.REFUSED, one.reason))
                    else:
                        results.append(await self._restore(session, one))
            for result in results:
                self.record(result)

    async def _restore(self, session: AsyncSession, account: ArchivedAccount) -> RestoreResult:
        repository, path = RestoreRepository(session), f"account {account.id}"
        known = await repository.find_account(account)
        if known is None:
            self.expected |= {account.id} if self.is_dry_run else set()
            if self.is_dry_run:
                return RestoreResult(path, RestoreOutcome.RESTORED)
            if await repository.add_account(account):
                after = {"is_admin": account.is_admin}
                await self.audit.write(session, AuditAction.ACCOUNT_CREATE, user_path(account.id), after=after)
                return RestoreResult(path, RestoreOutcome.RESTORED)
            known = await repository.find_account(account)
        if known is None:
            return RestoreResult(path, RestoreOutcome.CONFLICT, "the account was changed meanwhile")
        if known.id != account.id:
            self.owners[account.id] = known.id
            return RestoreResult(path, RestoreOutcome.MAPPED, f"the account {known.id} has the e-mail address")
        if known.email != account.email:
            return RestoreResult(path, RestoreOutcome.CONFLICT, "the account has another e-mail address in the service")
        return RestoreResult(path, RestoreOutcome.STORED)
