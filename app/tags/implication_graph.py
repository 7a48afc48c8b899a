"""The graph of implications: which tag implies which, directly and at any depth. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Implications:
    """Edges from a tag to one that it implies; without a cycle."""

    _implied: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    _implying: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))

    @classmethod
    def of(cls, edges: Iterable[tuple[int, int]]) -> "Implications":
        """Build the graph of these edges."""
        graph = cls()
        for tag, implies in edges:
            graph.add(tag, implies)
        return graph

    def copy(self) -> "Implications":
        """Return an independent copy."""
        return Implications.of((tag, implies) for tag, all_implied in self._implied.items() for implies in all_implied)

    def add(self, tag: int, implies: int) -> None:
        """Have `tag` imply the other."""
        self._implied[tag].add(implies)
        self._implying[implies].add(tag)

    def remove(self, tag: int, implies: int) -> None:
        """Take it back."""
        self._implied[tag].discard(implies)
        self._implying[implies].discard(tag)

    def implied_by(self, tag: int) -> set[int]:
        """Return what the tag implies directly."""
        return set(self._implied[tag])

    def implying(self, tag: int) -> set[int]:
        """Return what implies the tag directly."""
        return set(self._implying[tag])

    def ancestors(self, tag: int) -> set[int]:
        """Return what implies the tag at any depth."""
        return _reach(self._implying, tag)

    def would_close_cycle(self, tag: int, implies: int) -> bool:
        """Return whether the edge would make a tag imply itself."""
        return tag == implies or tag in _reach(self._implied, implies)


def _reach(edges: Mapping[int, set[int]], start: int) -> set[int]:
    reached: set[int] = set()
    front = [start]
    while front:
        found = edges.get(front.pop(), set()) - reached
        reached |= found
        front.extend(found)
    return reached
