"""The format of an archive: its files, and the members of their JSON. See docs/decisions/0020."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, NaiveDatetime, model_validator

from app.core.text.tag_names import MAX_TAGS_PER_IMAGE, TagName, normalize_tag_term
from app.images.upload.filenames import ImageName
from app.media.metadata.photo_metadata import MAX_OFFSET_MINUTES, clean_camera
from app.models import TagEventSource, TagOperationKind
from app.models.image import Visibility
from app.users.accounts.email import normalize_email

MANIFEST = "manifest.json"
DIGESTS = "SHA256SUMS"
ACCOUNTS = "accounts.jsonl"
VOCABULARY = "vocabulary.jsonl"
OPERATIONS = "operations.jsonl"
IMAGES = "images"
TRASH = "trash"
SUFFIXES: Mapping[str, str] = MappingProxyType(
    {
        "image/jpeg": ".jpeg",
        "image/png": ".png",
        "image/webp": ".webp",
        "image/gif": ".gif",
        "image/avif": ".avif",
        "image/heic": ".heic",
    }
)
_MAX_BIGINT = 2**63 - 1
_MAX_TAG_ID = 2**31 - 1
# A greater id would leave too few for later events.
_MAX_EVENT_ID = 2**53
_FIRST_YEAR = 1970


def _as_utc(moment: datetime) -> datetime:
    """Return the time in UTC. Raises ValueError for a year that PostgreSQL or a folder name cannot represent."""
    try:
        moment = moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time is out of range") from error
    if moment.year < _FIRST_YEAR:
        raise ValueError("the time is out of range")
    return moment


def _as_former_name(name: str) -> str:
    """Return the name that a tag had; it is empty for a deleted tag. Raises ValueError."""
    return normalize_tag_term(name) if name else name


def _as_camera(name: str) -> str:
    """Return the name of a camera as it is. Raises ValueError unless the service would store it."""
    if clean_camera(name) != name:
        raise ValueError("the name of the camera is not in its stored form")
    return name


Moment = Annotated[AwareDatetime, AfterValidator(_as_utc)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=_MAX_BIGINT)]
OffsetMinutes = Annotated[int, Field(ge=-MAX_OFFSET_MINUTES, le=MAX_OFFSET_MINUTES)]
Camera = Annotated[str, AfterValidator(_as_camera)]
Email = Annotated[str, AfterValidator(normalize_email)]
FormerName = Annotated[str, AfterValidator(_as_former_name)]
DeletedTagId = Annotated[int, Field(ge=1, le=_MAX_TAG_ID)]


class _Member(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ArchivedAccount(_Member):
    """An account, without its password, tokens and identities."""

    id: uuid.UUID
    email: Email
    email_verified: bool
    created_at: Moment
    is_admin: bool
    disabled: bool
    quota_bytes: Count | None


class ArchivedName(_Member):
    """An alias, or an implied tag."""

    name: TagName
    created_at: Moment


class ArchivedTag(_Member):
    """A tag. `private_to`: the accounts that have, or had, a private image with it; the nil UUID means no account."""

    name: TagName
    created_at: Moment
    listed: bool
    aliases: list[ArchivedName]
    implies: list[ArchivedName]
    private_to: list[uuid.UUID]


class ArchivedImageTag(_Member):
    """A tag of an image; not `explicit`: it is only implied by another one."""

    name: TagName
    explicit: bool
    created_at: Moment


def _limit_explicit(tags: list[ArchivedImageTag]) -> list[ArchivedImageTag]:
    if sum(tag.explicit for tag in tags) > MAX_TAGS_PER_IMAGE:
        raise ValueError(f"an image can have at most {MAX_TAGS_PER_IMAGE} tags")
    return tags


ContentType = Literal["image/jpeg", "image/png", "image/webp", "image/gif", "image/avif", "image/heic"]


class ArchivedEvent(_Member):
    """A change of a tag of an image. `tag` is the name at that time, `current` the one at the export.

    A tag that did not exist at the export has `deleted` instead of `current`: a number that all events of the tag have.
    `was_explicit` and `is_explicit` are None without the tag before or after the change.
    """

    id: Annotated[int, Field(ge=1, le=_MAX_EVENT_ID)]
    at: Moment
    actor: uuid.UUID | None
    request_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] | None
    tag: FormerName
    current: TagName | None
    deleted: DeletedTagId | None
    change: Literal[1, -1]
    was_explicit: bool | None
    is_explicit: bool | None
    source: Annotated[TagEventSource, Field(strict=False)]
    batch: uuid.UUID | None

    @model_validator(mode="after")
    def _require_transition(self) -> Self:
        if self.was_explicit == self.is_explicit:
            raise ValueError("the event changes nothing")
        _require_one(self.current, self.deleted)
        return self


def _require_one(current: str | None, deleted: int | None) -> None:
    if (current is None) == (deleted is None):
        raise ValueError("either `current` or `deleted` is needed")


class ArchivedTagReference(_Member):
    """A tag of an operation: the name at the export, or the number of a deleted tag, as in the events."""

    current: TagName | None
    deleted: DeletedTagId | None

    @model_validator(mode="after")
    def _require_tag(self) -> Self:
        _require_one(self.current, self.deleted)
        return self


class ArchivedOperation(_Member):
    """A merge, rename or deletion of a tag. Its id is the batch of its events."""

    id: uuid.UUID
    created_at: Moment
    actor: uuid.UUID | None
    kind: Annotated[TagOperationKind, Field(strict=False)]
    tag: FormerName
    new_name: TagName | None
    is_complete: bool
    tag_reference: ArchivedTagReference
    target_reference: ArchivedTagReference | None


# The members of an operation that are columns of `tag_operations`, and the columns of its references.
OPERATION_COLUMNS = tuple(name for name in ArchivedOperation.model_fields if not name.endswith("_reference"))
OPERATION_REFERENCES: Mapping[str, str] = MappingProxyType({"tag_id": "tag_reference", "target_id": "target_reference"})


class ArchivedTrashing(_Member):
    """The move of an image to the trash."""

    trashed_at: Moment
    trashed_by: uuid.UUID | None
    batch: uuid.UUID | None


class ArchivedImage(_Member):
    """The sidecar of an original.

    `trashed` is None unless the image is in the trash. Without `history`, a restore begins a new one. Archives of
    earlier versions have no `taken_at`, `taken_at_offset` and `camera`.
    """

    id: uuid.UUID
    name: ImageName
    content_type: ContentType
    size: Annotated[int, Field(ge=1, le=_MAX_BIGINT)]
    width: Count
    height: Count
    sha256: Digest
    taken_at: NaiveDatetime | None = None
    taken_at_offset: OffsetMinutes | None = None
    camera: Camera | None = None
    visibility: Annotated[Visibility, Field(strict=False)]
    uploaded_by: uuid.UUID | None
    created_at: Moment
    tags: Annotated[list[ArchivedImageTag], AfterValidator(_limit_explicit)]
    trashed: ArchivedTrashing | None = None
    history: list[ArchivedEvent] | None = None

    @property
    def folder(self) -> str:
        """The folder of both files, below the archive."""
        if self.trashed is not None:
            return f"{TRASH}/{self.trashed.trashed_at:%Y-%m-%dT%H}"
        return f"{IMAGES}/{self.created_at:%Y-%m-%dT%H}"

    @property
    def original(self) -> str:
        """The path of the original, below the archive. No part of it comes from a client."""
        return f"{self.folder}/{self.id}{SUFFIXES[self.content_type]}"

    @property
    def sidecar(self) -> str:
        """The path of the sidecar, below the archive."""
        return f"{self.folder}/{self.id}.json"


class Snapshot(_Member):
    """The moment and the contents of an archive. `query` is None for all images, also those in the trash."""

    taken_at: Moment
    query: str | None
    accounts: Count
    tags: Count
    images: Count
    trashed: Count = 0
    operations: Count = 0
    last_event_id: Annotated[int, Field(ge=0, le=_MAX_EVENT_ID)] = 0
    bytes: Count


class Manifest(_Member):
    """The last file of an archive. `left_out` is the number of images whose originals could not be read."""

    format: Literal["image-tagged-system archive"] = "image-tagged-system archive"
    version: Literal[1] = 1
    snapshot: Snapshot
    images: Count
    left_out: Count
    sha256sums: Digest


def to_json(member: BaseModel) -> bytes:
    """Return the only form in which a member is written to a file of its own."""
    return member.model_dump_json(indent=2).encode() + b"\n"


def to_line(member: BaseModel) -> bytes:
    """Return the only form in which a member is written as a line."""
    return member.model_dump_json().encode() + b"\n"
