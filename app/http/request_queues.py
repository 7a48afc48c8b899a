"""The queues in front of shared resources, with their limits in one place.

The database has two more queues (`app.db.database`), and the password hasher has one.
"""

from dataclasses import dataclass, fields
from typing import Self

from app.core.errors import DatabaseBusy, UploadsBusy
from app.core.fair_queue import FairQueue, QueueLimits
from app.core.settings import Settings
from app.media.decoder_pool import QUEUE_SECONDS
from app.media.errors import DecodersBusy
from app.storage.chunks import PART_BYTES

# A waiting search holds only the connection of its client. Most clients have longer timeouts than this.
TURN_SECONDS = 10
# While one part of an upload is sent to the object store, the next one is received.
PARTS_AN_UPLOAD = 2


@dataclass(frozen=True, slots=True)
class Queues:
    """The queues of one worker."""

    searches: FairQueue
    tag_lists: FairQueue
    decoders: FairQueue
    uploads: FairQueue
    bulk_edits: FairQueue

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Make the queues with the limits that follow from the settings."""
        connections = settings.database_search_pool_size
        # More slots than connections: a long search waits for its turn without a connection.
        slots = 4 * connections
        at_once = settings.search_concurrency_per_client
        uploads = max(1, settings.upload_memory_bytes // (PARTS_AN_UPLOAD * PART_BYTES))
        decoders = settings.decoder_processes
        account = min(settings.upload_concurrency_per_client, uploads)
        return cls(
            searches=FairQueue(
                "searches",
                QueueLimits(slots, at_once, max(at_once, connections // 2), 500, 100, TURN_SECONDS),
                DatabaseBusy,
            ),
            tag_lists=FairQueue("tag lists", QueueLimits(slots, 1, 1, 500, 100, TURN_SECONDS), DatabaseBusy),
            decoders=FairQueue(
                "decoders",
                QueueLimits(decoders, decoders, decoders, 500, 64, QUEUE_SECONDS),
                DecodersBusy,
            ),
            # One address leaves a quarter of the memory to the others.
            uploads=FairQueue(
                "uploads",
                QueueLimits(uploads, account, max(account, uploads * 3 // 4), 500, 64, TURN_SECONDS),
                UploadsBusy,
            ),
            bulk_edits=FairQueue(
                "bulk edits",
                QueueLimits(max(1, settings.database_pool_size // 4), 1, 2, 100, 10, TURN_SECONDS),
                DatabaseBusy,
            ),
        )

    def all(self) -> list[FairQueue]:
        """Return every queue."""
        return [getattr(self, field.name) for field in fields(self)]
