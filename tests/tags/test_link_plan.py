"""The plan of the aliases and implications that a revert restores, as tables. The names of tags are their ids."""

from dataclasses import dataclass

import pytest

from app.models import TagLinkKind
from app.tags.changes.link_plan import NamedTag, plan_links
from app.tags.implication_graph import Implications


@dataclass(frozen=True)
class Link:
    """A link between two numbers."""

    kind: TagLinkKind
    is_added: bool
    tag_id: int
    other_id: int

    @property
    def tag(self) -> str:
        return str(self.tag_id)

    @property
    def other(self) -> str:
        return str(self.other_id)


def tags(text: str) -> list[NamedTag]:
    """Parse tags such as `1 2=1 3:9`: a tag, an alias of the tag 1, and a tag that has the name of the number 9."""
    parsed = []
    for word in text.split():
        id_and_name, _, target = word.partition("=")
        tag, _, name = id_and_name.partition(":")
        parsed.append(NamedTag(int(tag), name or tag, int(target) if target else None))
    return parsed


def edges(text: str) -> list[tuple[int, int]]:
    """Parse implications such as `1>2`."""
    return [(int(word[0]), int(word[2])) for word in text.split()]


@pytest.mark.parametrize(
    ("present", "restored", "reason"),
    [
        ("1", {2: "2"}, None),  # deleted
        ("1 2=1", {}, None),  # restored already
        ("1 2=3 3", {2: "2"}, None),  # moved by the merge
        ("1 2", {}, "tag-exists"),  # a tag of its own today
        ("1 3:2", {}, "tag-exists"),  # another tag has its name
    ],
)
def test_an_alias_returns_unless_its_name_is_in_use(present: str, restored: dict[int, str], reason: str | None) -> None:
    link = Link(TagLinkKind.ALIAS, is_added=False, tag_id=2, other_id=1)
    plan = plan_links([link], 1, tags(present), Implications())
    assert plan.aliases == restored
    assert [(item.tag, item.alias, item.reason) for item in plan.unrestored] == ([("1", "2", reason)] if reason else [])


@pytest.mark.parametrize(
    ("present", "today", "lost", "gained", "added", "removed", "reason"),
    [
        ("1 2", "", "1>2", "", "1>2", "", None),
        ("1 2", "1>2", "1>2", "", "", "", None),  # restored already
        ("1 2 3", "3>2", "1>2", "3>2", "1>2", "3>2", None),  # moved by the merge
        ("1 2 3", "", "1>2", "3>2", "1>2", "", None),
        ("1 2=3 3", "", "1>2", "", "1>3", "", None),  # an alias stands for its tag
        ("1 2=1", "", "1>2", "", "", "", None),
        ("1", "", "1>2", "", "", "", "tag-not-found"),
        ("1 2 3", "2>3 3>1", "1>2", "", "", "", "implication-cycle"),
        ("1 2 3", "2>3 3>1", "1>2", "3>1", "1>2", "3>1", None),  # removed first
    ],
)
def test_an_implication_returns_unless_it_closes_a_cycle(
    present: str, today: str, lost: str, gained: str, added: str, removed: str, reason: str | None
) -> None:
    links = [
        Link(TagLinkKind.IMPLICATION, is_added, *edge)
        for is_added, text in ((True, gained), (False, lost))
        for edge in edges(text)
    ]
    implications = Implications.of(edges(today))
    plan = plan_links(links, 1, tags(present), implications)
    assert (plan.added, plan.removed) == (set(edges(added)), set(edges(removed)))
    assert [item.reason for item in plan.unrestored] == ([reason] if reason else [])
    # The graph is that of the database until the plan is carried out.
    assert all(edge[1] in implications.implied_by(edge[0]) for edge in edges(today))
