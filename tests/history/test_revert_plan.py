"""The plan of a revert, as a table: the changes of one tag of one image, oldest first."""

import uuid

import pytest

from app.history.revert_plan import ExplicitChange, ImageTag, RevertPlan, limit_tags, plan_revert

IMAGE = uuid.UUID(int=1)


def changes(text: str) -> list[ExplicitChange]:
    """Parse changes such as `+ -* +r`: added, removed and selected, added by a revert."""
    return [
        ExplicitChange(number, IMAGE, 1, "cat", word[0] == "+", "r" in word, "*" in word)
        for number, word in enumerate(text.split())
    ]


@pytest.mark.parametrize(
    ("history", "added", "removed", "conflicts"),
    [
        ("+*", 0, 1, []),
        ("+ -*", 1, 0, []),
        ("+ -", 0, 0, []),
        ("+* -*", 0, 0, []),  # the selected changes cancel each other
        ("+* -* +*", 0, 1, []),
        ("+* -", 0, 0, [1]),  # a later change by others
        ("+ -* + -", 0, 0, [2, 3]),
        ("+* - +*", 0, 1, []),  # the change in between stays, as the last selected one is newer
        ("+* -r", 0, 0, []),  # reverted already
        ("+* -*r", 0, 0, []),  # the revert itself is selected, too
        ("+* -r +", 0, 0, [2]),
        ("+* -r +r", 0, 0, [2]),  # a revert of the revert is a later change
        ("+ - +* -r + -", 0, 0, [4, 5]),
        ("+r*", 0, 1, []),
    ],
)
def test_the_last_selected_changes_are_inverted_unless_others_follow(
    history: str, added: int, removed: int, conflicts: list[int]
) -> None:
    plan = plan_revert(changes(history))
    assert (len(plan.added), len(plan.removed), plan.conflicts) == (added, removed, conflicts)


def test_each_tag_of_each_image_has_a_plan_of_its_own() -> None:
    other = ExplicitChange(9, IMAGE, 2, "dog", is_added=False, is_revert=False, is_selected=True)
    plan = plan_revert([*changes("+* -"), other])
    assert [pair.tag for pair in plan.added] == ["dog"]
    assert plan.conflicts == [1]
    assert plan.images == {IMAGE}


@pytest.mark.parametrize(
    ("today", "removed", "added", "excess"),
    [
        (97, 0, ["a", "b", "c"], []),
        (98, 0, ["a", "b"], ["c"]),
        (98, 1, ["a", "b", "c"], []),
        (100, 0, [], ["a", "b", "c"]),
        (103, 1, [], ["a", "b", "c"]),  # from before the limit
    ],
)
def test_an_image_never_exceeds_its_limit(today: int, removed: int, added: list[str], excess: list[str]) -> None:
    plan = RevertPlan(
        added=[ImageTag(IMAGE, number, name) for number, name in enumerate("abc")],
        removed=[ImageTag(IMAGE, 10 + number, "x") for number in range(removed)],
    )
    limit_tags(plan, {IMAGE: today}, 100)
    assert ([one.tag for one in plan.added], [one.tag for one in plan.excess]) == (added, excess)
