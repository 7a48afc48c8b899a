"""The plan of a revert: which explicit tags return or go, and which later changes stand against it. Pure.

Only changes of explicit tags are reverted; the implied tags follow from the explicit ones.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class ExplicitChange(NamedTuple):
    """An event that made a tag of an image explicit (`is_added`), or that ended it."""

    id: int
    image: uuid.UUID
    tag_id: int
    tag: str
    is_added: bool
    is_revert: bool
    is_selected: bool


class ImageTag(NamedTuple):
    """A tag of an image, with its last known name."""

    image: uuid.UUID
    tag_id: int
    tag: str


@dataclass(slots=True)
class RevertPlan:
    """The explicit tags to add and to remove, and the ids of the changes that prevent the rest."""

    added: list[ImageTag] = field(default_factory=list)
    removed: list[ImageTag] = field(default_factory=list)
    conflicts: list[int] = field(default_factory=list)
    # Tags that would exceed the limit of their images.
    excess: list[ImageTag] = field(default_factory=list)

    @property
    def images(self) -> set[uuid.UUID]:
        """The images that the plan changes."""
        return {pair.image for pair in (*self.added, *self.removed)}


def plan_revert(changes: Iterable[ExplicitChange]) -> RevertPlan:
    """Plan the revert of the selected changes. `changes` has all changes of their images, oldest first."""
    pairs: dict[tuple[uuid.UUID, int], list[ExplicitChange]] = defaultdict(list)
    for change in changes:
        pairs[change.image, change.tag_id].append(change)
    plan = RevertPlan()
    for of_pair in pairs.values():
        _plan_pair(of_pair, plan)
    return plan


def limit_tags(plan: RevertPlan, explicit: Mapping[uuid.UUID, int], limit: int) -> None:
    """Move the newest added tags of an image to `excess` while it would have more than `limit` explicit ones.

    `explicit` has the numbers today. Without added tags, an image may have more: its tags only become fewer.
    """
    room = {image: limit - explicit.get(image, 0) for image in plan.images}
    for pair in plan.removed:
        room[pair.image] += 1
    kept: list[ImageTag] = []
    for pair in plan.added:
        is_kept = room[pair.image] > 0
        room[pair.image] -= is_kept
        (kept if is_kept else plan.excess).append(pair)
    plan.added = kept


def _plan_pair(changes: Sequence[ExplicitChange], plan: RevertPlan) -> None:
    selected = [number for number, change in enumerate(changes) if change.is_selected]
    if not selected:
        return
    first = last = selected[-1]
    # The selected changes that follow each other at the end of the selection are reverted together.
    while first and changes[first - 1].is_selected:
        first -= 1
    is_wanted = not changes[first].is_added
    later = _changes_since_revert(changes[last + 1 :], is_wanted)
    if later is None:
        return
    if later:
        plan.conflicts += [change.id for change in later]
    elif changes[-1].is_added != is_wanted:
        pair = ImageTag(changes[-1].image, changes[-1].tag_id, changes[-1].tag)
        (plan.added if is_wanted else plan.removed).append(pair)


def _changes_since_revert(later: Sequence[ExplicitChange], is_wanted: bool) -> Sequence[ExplicitChange] | None:
    """Return the later changes, without those before an earlier revert; None if that revert still holds."""
    for number in range(len(later) - 1, -1, -1):
        if later[number].is_revert and later[number].is_added == is_wanted:
            return later[number + 1 :] or None
    return later
