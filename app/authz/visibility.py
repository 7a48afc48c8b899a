"""The visibility of images and tags, as SQL conditions and as a check of one loaded image."""

import uuid
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import ColumnElement, or_, true

from app.authz.principal import Principal
from app.db.sql_text import FALSE, TRUE, BindParameters, Condition
from app.models import Image
from app.models.image import Visibility
from app.models.tag import EXACT_COUNT, NO_OWNER

_HAS_PRIVATE_ONE = "EXISTS (SELECT FROM private_tags p WHERE p.tag_id = t.id AND p.owner_id = {})"
# For a tag without a public image: no private image has or had it.
NEVER_PRIVATE = "NOT EXISTS (SELECT FROM private_tags p WHERE p.tag_id = t.id)"


def tag_visibility_sql(images: str = EXACT_COUNT) -> Condition:
    """Return the condition that the tag `t` is visible, with the parameters `VisibilityScope.parameters`.

    `images` is the expression of the exact number of its public images.
    """
    # For an anonymous principal, the planner drops the subquery.
    private = f"(CAST(:principal AS uuid) IS NOT NULL AND {_HAS_PRIVATE_ONE.format('CAST(:principal AS uuid)')})"
    return f"({images} > 0 OR t.is_listed OR :sees_all OR {NEVER_PRIVATE} OR {private})"


class HasVisibility(Protocol):
    """An image, or the columns of one that determine its visibility."""

    @property
    def uploaded_by(self) -> uuid.UUID | None:
        """The id of the owner."""

    @property
    def visibility(self) -> Visibility:
        """Public or private."""


@dataclass(frozen=True, slots=True)
class VisibilityScope:
    """The images that a principal may see: public and own images, or all images for an admin."""

    principal_id: uuid.UUID | None = None
    sees_all: bool = False

    def condition(self) -> ColumnElement[bool]:
        """Return the condition that an image is visible."""
        if self.sees_all:
            return true()
        public = Image.visibility == Visibility.PUBLIC
        return public if self.principal_id is None else or_(public, Image.uploaded_by == self.principal_id)

    def sql(self, values: BindParameters) -> Condition:
        """Return the condition that an image is visible, as SQL text."""
        if self.sees_all:
            return TRUE
        public = "visibility = 'public'"
        return public if self.principal_id is None else f"({public} OR uploaded_by = {values.bind(self.principal_id)})"

    def private(self, values: BindParameters) -> Condition:
        """Return the condition that an image is private and visible."""
        private = f"visibility = '{Visibility.PRIVATE}'"
        if self.sees_all:
            return private
        return FALSE if self.principal_id is None else f"({private} AND uploaded_by = {values.bind(self.principal_id)})"

    def tag_condition(self, values: BindParameters) -> Condition:
        """Return the condition that the tag `t` is visible: only tags of private images are hidden."""
        return TRUE if self.sees_all else f"(t.is_listed OR {NEVER_PRIVATE} OR {self.used_tag_condition(values)})"

    def used_tag_condition(self, values: BindParameters) -> Condition:
        """Return the condition that the tag `t` has a visible image."""
        public = f"{EXACT_COUNT} > 0"
        if self.sees_all:
            return "(t.image_count > 0 OR EXISTS (SELECT FROM tagged WHERE tagged.tag = t.id))"
        if self.principal_id is None:
            return f"({public})"
        return f"({public} OR {_HAS_PRIVATE_ONE.format(values.bind(self.principal_id, 'uuid'))})"

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the parameters of a statement with `tag_visibility_sql`."""
        return {"principal": self.principal_id, "sees_all": self.sees_all}

    def sees(self, image: HasVisibility) -> bool:
        """Return whether the image is visible."""
        own = self.principal_id is not None and image.uploaded_by == self.principal_id
        return self.sees_all or own or image.visibility == Visibility.PUBLIC


def visibility_scope(principal: Principal) -> VisibilityScope:
    """Return the scope of the images that the principal may see."""
    return VisibilityScope(principal.id, principal.is_admin)


def private_owner(visibility: Visibility, owner_id: uuid.UUID | None) -> uuid.UUID | None:
    """Return the owner of a private image, or `NO_OWNER` if it has none; None for a public image."""
    return None if visibility == Visibility.PUBLIC else owner_id or NO_OWNER
