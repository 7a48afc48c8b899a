"""Settings of searches and of the tables that speed them up."""

from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import BaseModel, BeforeValidator, Field, PositiveFloat, PositiveInt, field_validator
from pydantic_settings import NoDecode

from app.core.settings.setting_types import renamed, split_list

SearchStrategy: TypeAlias = Literal[
    "ordered_scan", "fetch_and_sort", "range_fetch", "name_index_scan", "taken_index_scan", "bitmap_scan"
]


class SearchSettings(BaseModel):
    """The strategies, the concurrency, and the intervals of the background jobs."""

    search_strategies: Annotated[list[SearchStrategy], NoDecode, BeforeValidator(split_list)] = list(
        get_args(SearchStrategy)
    )
    # For each account (anonymous: each address) in each worker. Further searches wait.
    search_concurrency_per_client: Annotated[
        PositiveInt, Field(validation_alias=renamed("searches_at_once", "search_concurrency_per_client"))
    ] = 1
    tag_count_compaction_interval_seconds: Annotated[
        PositiveFloat,
        Field(validation_alias=renamed("tag_count_interval_seconds", "tag_count_compaction_interval_seconds")),
    ] = 1.0
    bitmap_index_update_interval_seconds: Annotated[
        PositiveFloat,
        Field(validation_alias=renamed("tag_bitmap_interval_seconds", "bitmap_index_update_interval_seconds")),
    ] = 10.0

    @field_validator("search_strategies")
    @classmethod
    def _have_basic_strategies(cls, value: list[SearchStrategy]) -> list[SearchStrategy]:
        if missing := {"ordered_scan", "fetch_and_sort"} - set(value):
            raise ValueError(f"{' and '.join(sorted(missing))} cannot be switched off")
        return value
