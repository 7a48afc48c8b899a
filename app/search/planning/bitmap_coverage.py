"""Which terms of a query the bitmaps of the common tags can answer."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from app.models.bitmap import ALL_IMAGES, PUBLIC_IMAGES
from app.search.language import ast
from app.search.planning import cost_model
from app.search.planning.cost_model import MAX_ALTERNATIVES, MAX_RARE_IMAGES
from app.search.planning.predicates import QueryPredicates, conjuncts
from app.search.planning.tag_resolution import ResolvedTag, ResolvedTags

# Filters with an index so selective that bitmaps are not used beside them.
_SELECTIVE_FILTERS = ("date", "taken", "name", "camera", "uploader", "sha256", "similar")


def is_common(tag: ResolvedTag) -> bool:
    """Return whether a tag has bitmaps, or gets them with the next update."""
    return tag.images >= cost_model.COMMON_TAG_IMAGES


def is_computable(node: ast.Node) -> bool:
    """Return whether bitmaps can answer a term: tags, `type:`, and "n of k" with few combinations."""
    match node:
        case ast.Not(term):
            return is_computable(term)
        case ast.And(terms) | ast.Or(terms):
            return all(is_computable(term) for term in terms)
        case ast.AtLeast(number, terms):
            has_only_tags = all(isinstance(term, ast.Tag | ast.Wildcard) for term in terms)
            return has_only_tags and math.comb(len(terms), number) <= MAX_ALTERNATIVES
        case ast.Filter(name):
            return name == "type"
    return True


def is_count_by_bitmaps_cheaper(predicates: QueryPredicates) -> bool:
    """Return whether the bitmaps count the matches for less than a look at each."""
    rare = sum(tag.images for tag in predicates.tags.all if not is_common(tag))
    minimum = max(rare, cost_model.COMMON_TAG_IMAGES)
    return predicates.max_matches > minimum and is_computable(predicates.query)


@dataclass(frozen=True)
class BitmapCoverage:
    """The part of a query that bitmaps answer, for pages.

    A term is left out if it is not computable, or if more than 1,000 images match by its rare tags.
    """

    predicates: QueryPredicates

    @cached_property
    def terms(self) -> tuple[ast.Node, ...]:
        """The terms that every match must fulfil and that the bitmaps answer."""
        return tuple(term for term in conjuncts(self.predicates.query) if self._is_covered(term))

    @cached_property
    def rare_tags(self) -> list[int]:
        """The ids of the tags without bitmaps by which images match; these images are looked up."""
        return sorted({tag.id for term in self.terms for tag in self._rare_tags(term)})

    @cached_property
    def common_tags(self) -> ResolvedTags:
        """The tags of the terms that have bitmaps."""
        tags = {tag for term in self.terms for tag in self._tags(term)}
        return self.predicates.tags.restrict(lambda tag: is_common(tag) and tag in tags)

    @property
    def image_set(self) -> int:
        """The bitmap of the images that the principal may see, or of all images if some of theirs are private."""
        visibility = self.predicates.visibility
        is_anonymous = visibility.principal_id is None and not visibility.sees_all
        return PUBLIC_IMAGES if is_anonymous else ALL_IMAGES

    @cached_property
    def is_complete(self) -> bool:
        """Whether the bitmaps answer the whole query."""
        return len(self.terms) == len(conjuncts(self.predicates.query))

    @cached_property
    def max_candidates(self) -> float:
        """An upper bound on the candidates of the bitmaps; infinite if they do not help, or an index helps more."""
        terms = conjuncts(self.predicates.query)
        if any(isinstance(term, ast.Filter) and term.name in _SELECTIVE_FILTERS for term in terms):
            return math.inf
        return min(map(self.predicates.max_matches_of, self.terms), default=math.inf)

    def candidates_among(self, rows: float) -> float:
        """Return how many candidates are among this many rows at most, on average."""
        return rows * self.max_candidates / self.predicates.tags.total_images

    def _is_covered(self, term: ast.Node) -> bool:
        return is_computable(term) and sum(tag.images for tag in self._rare_tags(term)) <= MAX_RARE_IMAGES

    def _tags(self, term: ast.Node) -> Iterator[ResolvedTag]:
        for leaf in ast.leaves(term):
            if not isinstance(leaf, ast.Filter):
                yield from self.predicates.tags.tags_of(leaf)

    def _rare_tags(self, term: ast.Node, *, is_wanted: bool = True) -> set[ResolvedTag]:
        """Return the rare tags without which some images would not match."""
        match term:
            case ast.Tag() | ast.Wildcard():
                return {tag for tag in self.predicates.tags.tags_of(term) if is_wanted and not is_common(tag)}
            case ast.Not(one):
                return self._rare_tags(one, is_wanted=not is_wanted)
            case ast.And(terms) | ast.Or(terms) | ast.AtLeast(_, terms):
                return {tag for one in terms for tag in self._rare_tags(one, is_wanted=is_wanted)}
        return set()
