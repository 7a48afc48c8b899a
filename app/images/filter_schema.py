"""The body of a search by a JSON filter, and the schema of the filter for OpenAPI."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, Strict, create_model
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from app.core.pagination import DEFAULT_LIMIT, Cursor, Limit
from app.images.schemas import OMITTED
from app.search.language.filters import FILTER_NAMES, MAX_VALUES, RANGE_FILTERS
from app.search.planning.sort_order import Sort
from app.search.service import CountMode

_EXAMPLES: list[Any] = [
    {"filter": {"tag": "cat", "none": [{"tag": "dog"}]}, "sort": "-created", "limit": 20},
    {"filter": {"any": [{"tag": "cat*"}, {"tag": "red sofa"}], "type": {"in": ["jpeg", "png"]}}},
    {"filter": {"at_least": {"n": 2, "of": [{"tag": "cat"}, {"tag": "dog"}, {"tag": "bird"}]}}},
    {"filter": {"width": {"gte": 1920}, "ratio": "16:9", "date": {"gte": "2026-01", "lt": "2026-07"}}},
]


def _without_defaults(schema: dict[str, Any]) -> None:
    for member in schema["properties"].values():
        member.pop("default", None)


_STRICT = ConfigDict(extra="forbid", json_schema_extra=_without_defaults)


class OneOfValues(BaseModel):
    """Matches one of the values."""

    model_config = _STRICT

    values: Annotated[list[str], Field(alias="in", min_length=1, max_length=MAX_VALUES)]


class Comparison(BaseModel):
    """Compares with a value. The members are combined with AND."""

    model_config = _STRICT

    gt: str | float = OMITTED
    gte: str | float = OMITTED
    lt: str | float = OMITTED
    lte: str | float = OMITTED
    values: Annotated[list[str | float], Field(alias="in", min_length=1, max_length=MAX_VALUES)] = OMITTED


class AtLeastFilter(BaseModel):
    """Matches at least `n` of the filters."""

    model_config = _STRICT

    n: Annotated[int, Field(ge=1)]
    of: Annotated[list["ImageFilter"], Field(min_length=1)]


class _Groups(BaseModel):
    """The members are combined with AND. `tag` is a tag, or a part of one with `*`. The rest are the filters of `q`."""

    model_config = _STRICT

    all: Annotated[list["ImageFilter"], Field(min_length=1)] = OMITTED
    any: Annotated[list["ImageFilter"], Field(min_length=1)] = OMITTED
    none: Annotated[list["ImageFilter"], Field(min_length=1)] = OMITTED
    at_least: AtLeastFilter = OMITTED
    tag: str = OMITTED


def _filter_fields() -> Iterator[tuple[str, Any]]:
    for name in FILTER_NAMES:
        yield name, (str | float | Comparison if name in RANGE_FILTERS else str | OneOfValues, OMITTED)


ImageFilter: Any = create_model("ImageFilter", __base__=_Groups, __doc__=_Groups.__doc__, **dict(_filter_fields()))
AtLeastFilter.model_rebuild()
ImageFilter.model_rebuild()


class _SchemaOfFilter:
    """Describes the filter in OpenAPI. Its parser checks the value, because its errors have a place in the filter."""

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(ImageFilter.__pydantic_core_schema__)


class ImageSearch(BaseModel):
    """A filter and the parameters of `GET /v1/images`. An empty filter matches all images."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": _EXAMPLES})

    filter: Annotated[Any, _SchemaOfFilter()] = {}
    sort: Sort = "-created"
    count: CountMode = "none"
    limit: Annotated[Limit, Strict()] = DEFAULT_LIMIT
    cursor: Cursor = None
