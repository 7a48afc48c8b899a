"""Who may see an image: said here, for queries and for an image at hand, and nowhere else."""

import uuid
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import ColumnElement, or_, true

from app.models import Image
from app.models.image import Visibility
from app.search.sql import EVERY, NONE, Condition, Values


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

    def sees(self, image: Seen) -> bool:
        """Tell the same of an image at hand."""
        own = self.viewer_id is not None and image.uploaded_by == self.viewer_id
        return self.sees_all or own or image.visibility == Visibility.PUBLIC
