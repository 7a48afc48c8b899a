"""The plan of the aliases and implications that a revert of an operation on a tag restores. Pure."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from app.models import TagLinkKind
from app.tags.implication_graph import Implications


class UnrestoredReason(StrEnum):
    """The reason why a revert does not restore a part of a change."""

    TAG_EXISTS = "tag-exists"
    TAG_NOT_FOUND = "tag-not-found"
    TAG_RENAMED = "tag-renamed"
    IMPLICATION_CYCLE = "implication-cycle"
    TOO_MANY_TAGS = "too-many-tags"


class UnrestoredItem(NamedTuple):
    """A tag, an alias of it, an implication by it or a tag of an image that a revert does not restore."""

    tag: str
    reason: UnrestoredReason
    alias: str | None = None
    implies: str | None = None
    image: uuid.UUID | None = None


class Link(Protocol):
    """An alias or an implication that an operation added or removed: the tag is an alias of the other or implies it."""

    @property
    def kind(self) -> TagLinkKind: ...
    @property
    def is_added(self) -> bool: ...
    @property
    def tag_id(self) -> int: ...
    @property
    def tag(self) -> str: ...
    @property
    def other_id(self) -> int: ...
    @property
    def other(self) -> str: ...


class NamedTag(NamedTuple):
    """A tag or an alias; `alias_of` is the id of the alias's tag."""

    id: int
    name: str
    alias_of: int | None


@dataclass(slots=True)
class LinkPlan:
    """The aliases to restore, by id; the implications to add and to remove; and the links that cannot be restored."""

    aliases: dict[int, str] = field(default_factory=dict)
    added: set[tuple[int, int]] = field(default_factory=set)
    removed: set[tuple[int, int]] = field(default_factory=set)
    unrestored: list[UnrestoredItem] = field(default_factory=list)


def plan_links(links: Iterable[Link], tag: int, tags: Iterable[NamedTag], implications: Implications) -> LinkPlan:
    """Plan the inverse of the links of an operation on the tag; those that it added come first.

    `tags` has the tags and aliases today with an id or a name of the links. An alias stands for its tag.
    """
    return _Planner(tag, tags, implications.copy()).plan(links)


class _Planner:
    def __init__(self, tag: int, tags: Iterable[NamedTag], implications: Implications) -> None:
        self._tag, self._implications = tag, implications
        self._tags: Mapping[int, NamedTag] = {one.id: one for one in tags}
        self._names = {one.name for one in self._tags.values()}
        self._plan = LinkPlan()

    def plan(self, links: Iterable[Link]) -> LinkPlan:
        for link in links:
            if link.kind == TagLinkKind.ALIAS:
                self._restore_alias(link)
            elif link.is_added:
                self._remove_implication(link.tag_id, link.other_id)
            else:
                self._restore_implication(link)
        return self._plan

    def _restore_alias(self, link: Link) -> None:
        alias = self._tags.get(link.tag_id)
        if alias is None and link.tag not in self._names:
            self._plan.aliases[link.tag_id] = link.tag
        elif alias is None or alias.alias_of is None:
            self._plan.unrestored.append(UnrestoredItem(link.other, UnrestoredReason.TAG_EXISTS, alias=link.tag))
        elif alias.alias_of != self._tag:
            self._plan.aliases[alias.id] = alias.name

    def _remove_implication(self, tag: int, implies: int) -> None:
        if implies in self._implications.implied_by(tag):
            self._implications.remove(tag, implies)
            self._plan.removed.add((tag, implies))

    def _restore_implication(self, link: Link) -> None:
        tag, implies = self._tags.get(link.tag_id), self._tags.get(link.other_id)
        if tag is None or implies is None:
            self._refuse(link, UnrestoredReason.TAG_NOT_FOUND)
            return
        edge = (tag.alias_of or tag.id, implies.alias_of or implies.id)
        if edge[0] == edge[1] or edge[1] in self._implications.implied_by(edge[0]):
            return
        if self._implications.would_close_cycle(*edge):
            self._refuse(link, UnrestoredReason.IMPLICATION_CYCLE)
            return
        self._implications.add(*edge)
        self._plan.added.add(edge)

    def _refuse(self, link: Link, reason: UnrestoredReason) -> None:
        self._plan.unrestored.append(UnrestoredItem(link.tag, reason, implies=link.other))
