from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.plan_read import PlanRead
    from ..models.step_read import StepRead
    from ..models.term_read import TermRead
    from ..models.without_read import WithoutRead


T = TypeVar("T", bound="SearchExplanation")


@_attrs_define
class SearchExplanation:
    """The terms of a query in their order, the plan, and the matches without each term. `steps` is for admins.

    Attributes:
        query (str):
        terms (list[TermRead]):
        plan (PlanRead): The first step of the search; all members are null if a wildcard is too broad.

            `estimated_matches` is null if no tag bounds the matches. `cost` is in microseconds; it is null without a bound.
        without (list[WithoutRead]):
        steps (list[StepRead] | Unset): The steps of the search; only for admins
    """

    query: str
    terms: list[TermRead]
    plan: PlanRead
    without: list[WithoutRead]
    steps: list[StepRead] | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        query = self.query

        terms = []
        for terms_item_data in self.terms:
            terms_item = terms_item_data.to_dict()
            terms.append(terms_item)

        plan = self.plan.to_dict()

        without = []
        for without_item_data in self.without:
            without_item = without_item_data.to_dict()
            without.append(without_item)

        steps: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.steps, Unset):
            steps = []
            for steps_item_data in self.steps:
                steps_item = steps_item_data.to_dict()
                steps.append(steps_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "query": query,
                "terms": terms,
                "plan": plan,
                "without": without,
            }
        )
        if steps is not UNSET:
            field_dict["steps"] = steps

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.plan_read import PlanRead
        from ..models.step_read import StepRead
        from ..models.term_read import TermRead
        from ..models.without_read import WithoutRead

        d = dict(src_dict)
        query = d.pop("query")

        terms = []
        _terms = d.pop("terms")
        for terms_item_data in _terms:
            terms_item = TermRead.from_dict(terms_item_data)

            terms.append(terms_item)

        plan = PlanRead.from_dict(d.pop("plan"))

        without = []
        _without = d.pop("without")
        for without_item_data in _without:
            without_item = WithoutRead.from_dict(without_item_data)

            without.append(without_item)

        _steps = d.pop("steps", UNSET)
        steps: list[StepRead] | Unset = UNSET
        if _steps is not UNSET:
            steps = []
            for steps_item_data in _steps:
                steps_item = StepRead.from_dict(steps_item_data)

                steps.append(steps_item)

        search_explanation = cls(
            query=query,
            terms=terms,
            plan=plan,
            without=without,
            steps=steps,
        )

        search_explanation.additional_properties = d
        return search_explanation

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
