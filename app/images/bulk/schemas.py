"""Request and response bodies of bulk changes."""

import uuid
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.images.schemas import ImageSelection
from app.models.image import Visibility


class BulkActionName(StrEnum):
    """The action of a bulk change."""

    DELETE = "delete"
    RESTORE = "restore"
    SET_VISIBILITY = "set_visibility"


class BulkChange(ImageSelection):
    """The images, as a query or as ids, and the action."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"q": "cat type:png", "action": "delete", "dry_run": True}]},
    )

    action: BulkActionName
    visibility: Annotated[Visibility | None, Field(description="The new value; only for `set_visibility`")] = None

    @model_validator(mode="after")
    def _match_the_action(self) -> Self:
        if (self.action is BulkActionName.SET_VISIBILITY) != (self.visibility is not None):
            raise ValueError("The action set_visibility requires the field visibility; no other action has it.")
        if self.action is BulkActionName.RESTORE and self.ids is None:
            raise ValueError("The action restore requires the field ids.")
        return self


class SkippedRead(BaseModel):
    """A matching image that was not changed."""

    id: uuid.UUID
    reason: str = Field(description="The problem type without `/problems/`", examples=["name-taken"])


class BulkChangeResult(BaseModel):
    """The number of matching images that the caller may change, and of those that changed."""

    matched: int = Field(examples=[12])
    changed: int = Field(examples=[11])
    batch: uuid.UUID | None = Field(description="The id of the change; null for a dry run")
    skipped: list[SkippedRead] = Field(description="The matching images that could not be changed")
