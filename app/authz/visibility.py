"""Who may see an image or a tag: said here, for queries and for an image at hand, and nowhere else."""

import uuid
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import ColumnElement, or_, true

from app.db.sql_text import EVERY, NONE, Condition, Values
from app.models import Image
from app.models.image import Visibility
from app.models.tag import EXACT_COUNT, NO_OWNER

_HAS_PRIVATE_ONE = "EXISTS (SELECT FROM private_tags p WHERE p.tag_id = t.id AND p.owner_id = {})"
# Of a tag without a public image: no private image has it, or had it.
NEVER_PRIVATE = "NOT EXISTS (SELECT FROM private_tags p WHERE p.tag_id = t.id)"


def tag_visible_to_viewer(images: str = EXACT_COUNT) -> Condition:
    """Return the condition under which the tag `t` may be seen, for statements with the parameters `Sight.named`.

    `images` is the expression of the exact number of public images that have it.
    """
    # The planner drops the subquery of a viewer without an account.
    private = f"(CAST(:viewer AS uuid) IS NOT NULL AND {_HAS_PRIVATE_ONE.format('CAST(:viewer AS uuid)')})"
    return f"({images} > 0 OR t.is_listed OR :sees_all OR {NEVER_PRIVATE} OR {private})"


class Seen(Protocol):
    """What decides who may see an image."""

    @property
    def uploaded_by(self) -> uuid.UUID | None:
        """The account that the image belongs to."""

    @property
    def visibility(self) -> Visibility:
        """Whether everybody may see it."""


@dataclass(frozen=True, slots=True)
class Sight:
    """Whose eyes look: an account's, an admin's, which see all, or a stranger's."""

    viewer_id: uuid.UUID | None = None
    sees_all: bool = False

    def condition(self) -> ColumnElement[bool]:
        """Return the condition under which an image may be seen."""
        if self.sees_all:
            return true()
        public = Image.visibility == Visibility.PUBLIC
        return public if self.viewer_id is None else or_(public, Image.uploaded_by == self.viewer_id)

    def sql(self, values: Values) -> Condition:
        """Say the same as text."""
        if self.sees_all:
            return EVERY
        public = "visibility = 'public'"
        return public if self.viewer_id is None else f"({public} OR uploaded_by = {values.bind(self.viewer_id)})"

    def private(self, values: Values) -> Condition:
        """Say which of the private images may be seen."""
        private = f"visibility = '{Visibility.PRIVATE}'"
        if self.sees_all:
            return private
        return NONE if self.viewer_id is None else f"({private} AND uploaded_by = {values.bind(self.viewer_id)})"

    def of_tag(self, values: Values) -> Condition:
        """Return the condition under which the tag `t` may be seen: only that of private images is not by everyone."""
        return EVERY if self.sees_all else f"(t.is_listed OR {NEVER_PRIVATE} OR {self.of_tag_in_use(values)})"

    def of_tag_in_use(self, values: Values) -> Condition:
        """Return the condition under which the viewer sees an image that has the tag `t`."""
        public = f"{EXACT_COUNT} > 0"
        if self.sees_all:
            return "(t.image_count > 0 OR EXISTS (SELECT FROM tagged WHERE tagged.tag = t.id))"
        if self.viewer_id is None:
            return f"({public})"
        return f"({public} OR {_HAS_PRIVATE_ONE.format(values.bind(self.viewer_id, 'uuid'))})"

    @property
    def named(self) -> dict[str, Any]:
        """Return the parameters of a statement with `tag_visible_to_viewer`."""
        return {"viewer": self.viewer_id, "sees_all": self.sees_all}

    def sees(self, image: Seen) -> bool:
        """Tell the same of an image at hand."""
        own = self.viewer_id is not None and image.uploaded_by == self.viewer_id
        return self.sees_all or own or image.visibility == Visibility.PUBLIC


def private_owner(image: Seen) -> uuid.UUID | None:
    """Return the account whose private image this is, or `NO_OWNER`; None for a public image."""
    return None if image.visibility == Visibility.PUBLIC else image.uploaded_by or NO_OWNER
