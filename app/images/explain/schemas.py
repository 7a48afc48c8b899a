"""Response bodies of the endpoint that explains a query."""

import math
from typing import Any

from pydantic import BaseModel, Field

from app.search.explain.explain_service import Explanation
from app.search.planning.planner import ALL_ROWS

_IMAGES = "The number of visible images; null if it takes too long to count"


class TermRead(BaseModel):
    """A term of the query. `position` is its 0-based character in `q`, without the sign of a negation."""

    term: str = Field(examples=["cat*"])
    position: int = Field(examples=[0])
    images: int | None = Field(description=_IMAGES, examples=[1204])
    aliases: list[str] = Field(description="The aliases of the tag; of a wildcard, those that match", examples=[[]])
    expanded: list[str] = Field(
        description="The tags that an alias or a wildcard stands for", examples=[["cat", "cattle"]]
    )
    truncated: bool = Field(description="Whether `expanded` is cut at 100 tags")


class PlanRead(BaseModel):
    """The first step of the search; all members are null if a wildcard is too broad.

    `estimated_matches` is null if no tag bounds the matches. `cost` is in microseconds; it is null without a bound.
    """

    access_path: str | None = Field(examples=["fetch_and_sort"])
    estimated_matches: int | None = Field(examples=[310])
    cost: float | None = Field(examples=[527.0])


class WithoutRead(BaseModel):
    """The matches of the query without a term."""

    term: str = Field(examples=["cat*"])
    images: int | None = Field(description=_IMAGES, examples=[5210])


class StepRead(BaseModel):
    """A step of the search of the first page. `max_rows` limits the rows examined; null means all rows."""

    access_path: str = Field(examples=["fetch_and_sort"])
    reason: str = Field(examples=["few matches"])
    expected_rows: float | None
    cost: float | None
    max_rows: int | None
    returned_rows: int
    milliseconds: float


class SearchExplanation(BaseModel):
    """The terms of a query in their order, the plan, and the matches without each term. `steps` is for admins."""

    query: str = Field(examples=["cat* -dog"])
    terms: list[TermRead]
    plan: PlanRead
    without: list[WithoutRead]
    steps: list[StepRead] = Field(default=[], description="The steps of the search; only for admins")


def to_search_explanation(explanation: Explanation, query: str) -> SearchExplanation:
    """Shape an explanation for the wire, with the canonical text of the query."""
    terms = [
        TermRead(
            term=one.term,
            position=one.position,
            images=one.images,
            aliases=list(one.aliases),
            expanded=list(one.expanded),
            truncated=one.is_truncated,
        )
        for one in explanation.terms
    ]
    without = [
        WithoutRead(term=term.term, images=images)
        for term, images in zip(explanation.terms, explanation.without, strict=True)
    ]
    plan = explanation.plan
    plan_read = PlanRead(access_path=plan.access_path, estimated_matches=plan.estimated_matches, cost=plan.cost)
    steps: dict[str, Any] = {}
    if explanation.steps is not None:
        steps["steps"] = [
            StepRead(
                access_path=one.strategy,
                reason=one.reason,
                expected_rows=_finite(one.expected_rows),
                cost=_finite(one.cost),
                max_rows=None if one.max_rows >= ALL_ROWS else one.max_rows,
                returned_rows=one.returned_rows,
                milliseconds=one.milliseconds,
            )
            for one in explanation.steps
        ]
    return SearchExplanation(query=query, terms=terms, plan=plan_read, without=without, **steps)


def _finite(number: float | None) -> float | None:
    """Return a number for JSON, which has no infinity."""
    return None if number is None or math.isinf(number) else number
