"""Tree to SQL."""

from collections.abc import Mapping, Sequence

from sqlalchemy import ARRAY, ColumnElement, Integer, and_, cast, false, not_, true

from app.models import Image
from app.search.grammar import Term


def condition(terms: Sequence[Term], ids: Mapping[str, int]) -> ColumnElement[bool]:
    """Return what an image must fulfil; `ids` has the ids of those tags of the query that exist."""
    wanted = [term.tag for term in terms if not term.negated]
    if any(tag not in ids for tag in wanted):
        return false()
    conditions = [Image.tag_ids.contains(cast([ids[tag] for tag in wanted], ARRAY(Integer)))] if wanted else []
    refused = [ids[term.tag] for term in terms if term.negated and term.tag in ids]
    if refused:
        conditions.append(not_(Image.tag_ids.overlap(cast(refused, ARRAY(Integer)))))
    return and_(true(), *conditions)
