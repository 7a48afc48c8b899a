"""Request and response bodies of the history endpoints."""

import uuid
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, model_validator

from app.core.pagination import Page
from app.core.resource_paths import image_path
from app.core.text.timestamps import Timestamp
from app.models import TagEvent, TagEventSource
from app.tags.changes.link_plan import UnrestoredItem, UnrestoredReason

EventId = Annotated[StrictInt, Field(ge=1, lt=2**63)]
_PATH = "/v1/images/1f0c3a52-c7d4-11f0-9d7e-63c1c0a4b6f1"
_BATCH = "7b8a1c9e-2f64-4d0b-9a51-0c6d3e2f1a10"


class EventRead(BaseModel):
    """A change of one tag of one image. `tag` is the name at the time of the change.

    `source` is `implied` if an implication changed the tag, else the kind of the operation. `suggestion` is an accepted
    suggestion. All events of a merge, rename, bulk edit, revert or deletion of a tag have its `batch`. `actor` is null
    without an account, or outside of a request.
    """

    id: int = Field(examples=[4711])
    at: datetime
    actor: uuid.UUID | None = Field(description="The id of the account that changed the tag")
    image: str = Field(examples=[_PATH], description="The path of the image")
    tag: str = Field(examples=["cat"])
    change: Literal["added", "removed"]
    source: TagEventSource
    batch: uuid.UUID | None = Field(examples=[_BATCH])
    request_id: str | None = Field(examples=["0d3f7c52a1b84e6f9c1d2e3f40516273"])

    @classmethod
    def of(cls, event: TagEvent) -> Self:
        """Shape an event for the wire."""
        return cls(
            id=event.id,
            at=event.at,
            actor=event.actor,
            image=image_path(event.image),
            tag=event.tag,
            change="added" if event.change > 0 else "removed",
            source=event.source,
            batch=event.batch,
            request_id=event.request_id,
        )


class EventPage(Page[EventRead]):
    """A page of events, newest first."""


class RevertRequest(BaseModel):
    """The changes to revert: of a batch, of an account in a period, or the events with these ids.

    `since` is inclusive and `until` exclusive; without them the period is open.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"batch": _BATCH, "dry_run": True},
                {
                    "actor": "9d2f7f0e-5a0e-4f0c-8c39-0f3f8b7a1c55",
                    "since": "2026-11-22T10:00:00Z",
                    "until": "2026-11-22T12:00:00Z",
                },
                {"ids": [4711, 4712]},
            ]
        },
    )

    batch: uuid.UUID | None = None
    actor: uuid.UUID | None = None
    since: Timestamp | None = None
    until: Timestamp | None = None
    ids: Annotated[list[Annotated[StrictInt, Field(ge=1, lt=2**63)]], Field(min_length=1, max_length=1000)] | None = (
        None
    )
    dry_run: StrictBool = False

    @model_validator(mode="after")
    def _select_changes(self) -> Self:
        if sum(value is not None for value in (self.batch, self.actor, self.ids)) != 1:
            raise ValueError("Exactly one of the fields batch, actor and ids is required.")
        if self.actor is None and (self.since is not None or self.until is not None):
            raise ValueError("The fields since and until require the field actor.")
        return self


class UnrestoredRead(BaseModel):
    """A part of the reverted changes that stays as it is.

    It is the tag of the image `image`, the alias `alias` of the tag, its implication of `implies`, or the tag itself.

    | reason | |
    |---|---|
    | `tag-exists` | another tag has the name of the tag or of the alias |
    | `tag-not-found` | one of the two tags was deleted |
    | `tag-renamed` | the tag was renamed or merged again |
    | `implication-cycle` | the tags would imply each other |
    | `too-many-tags` | the image would have more than 100 tags |
    """

    tag: str = Field(examples=["cat"])
    image: str | None = Field(examples=[_PATH])
    alias: str | None = Field(examples=[None])
    implies: str | None = Field(examples=[None])
    reason: UnrestoredReason = Field(examples=["too-many-tags"])

    @classmethod
    def of(cls, item: UnrestoredItem) -> Self:
        """Shape an item for the wire."""
        image = None if item.image is None else image_path(item.image)
        return cls(tag=item.tag, image=image, alias=item.alias, implies=item.implies, reason=item.reason)


class RevertResponse(BaseModel):
    """The number of images with a selected change, and of those that the revert changed.

    `conflicts` has up to 1,000 later changes of the same tags of the same images, which are kept, newest first.
    `unrestored` has up to 1,000 other parts that cannot be restored. `batch` is the id of the revert in the history,
    which has no events if nothing changed; null for a dry run.
    """

    matched: int = Field(examples=[250])
    changed: int = Field(examples=[248])
    conflicts: list[EventRead]
    unrestored: list[UnrestoredRead]
    batch: uuid.UUID | None = Field(examples=["c1f9e0a4-6a1e-4c55-9a0f-6d2f0f2c8b31"])
