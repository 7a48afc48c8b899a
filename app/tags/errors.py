"""Errors of tags."""

from app.core.errors import Conflict, NotFound


class TagNotFound(NotFound):
    slug, title = "tag-not-found", "Tag not found"
    description = "There is no tag with this name."


class TagExists(Conflict):
    slug, title = "tag-exists", "Tag name taken"
    description = "A tag or an alias with this name already exists."
    constraints = ("uq_tags_name",)


class TagIsAlias(Conflict):
    """`alias_of` is the name of the tag that the alias stands for."""

    slug, title = "tag-is-alias", "Tag is an alias"
    description = "The name is an alias of a tag."

    def __init__(self, detail: str | None = None, *, alias_of: str = "") -> None:
        super().__init__(detail, alias_of=alias_of)


class TagImplied(Conflict):
    slug, title = "tag-implied", "Implied tag"
    description = "Another tag of the image implies the tag."
