"""Changes of many images: deletion, restoration, visibility.

The images are changed in batches, each in a transaction. A batch that cannot be locked is skipped, and so is an image
that cannot be changed. The client gets a list of them.
"""

import uuid
from dataclasses import dataclass

from app.audit.image_audit import ImageAudit
from app.authz.principal import Principal
from app.core.callers import current_caller
from app.core.errors import DatabaseBusy
from app.core.fair_queue import FairQueue
from app.images.bulk.actions import BulkAction, BulkOutcome, BulkRequest, SkippedImage
from app.images.bulk.selection import Selection


@dataclass(frozen=True, slots=True)
class BulkReport:
    """The number of matching images that the caller may change, the outcome, and the id of the change."""

    matched: int
    outcome: BulkOutcome
    batch: uuid.UUID | None


class BulkService:
    """Runs bulk changes: one at a time for each account."""

    def __init__(self, queue: FairQueue, audit: ImageAudit) -> None:
        self._queue, self._audit = queue, audit

    async def predict(self, action: BulkAction, selection: Selection, principal: Principal) -> BulkReport:
        """Return the report that `run` would return now. Raises the same errors."""
        async with self._queue.enter(current_caller.get()):
            images = await action.selector.list_matches(selection, principal)
            return BulkReport(len(images), await action.predict(images), None)

    async def run(self, action: BulkAction, selection: Selection, principal: Principal) -> BulkReport:
        """Change the selected images.

        Raises InvalidQuery, QueryTooBroad, QueryTimeout, TooManyConcurrentRequests, DatabaseBusy.
        """
        outcome, change_id = BulkOutcome(), uuid.uuid4()
        # A waiting request holds no connection.
        async with self._queue.enter(current_caller.get()):
            images = await action.selector.list_matches(selection, principal)
            request = BulkRequest(principal, change_id, len(images), self._audit)
            for start in range(0, len(images), action.batch_size):
                batch = images[start : start + action.batch_size]
                try:
                    outcome.add(await action.apply(batch, request))
                except DatabaseBusy as error:
                    outcome.skipped += [SkippedImage(one, error.slug) for one in batch]
        return BulkReport(len(images), outcome, change_id)
