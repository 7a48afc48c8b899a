"""K15: the texts of the OpenAPI document are complete and in the language of the field."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.openapi import DOCUMENT

pytestmark = pytest.mark.integration

# Unusual English: clauses as subjects, and uncommon words for output and actors.
UNIDIOMATIC = re.compile(
    r"\b(told|tells?|nobody|somebody|whoever|is gone|are gone|gets well|so many|so long|as many as|of that which"
    r"|by which|what it is that|may not be there|a sane)\b|(?:^|[.:] )(?:Who|What|Whose) [a-z]+s? ",
    re.IGNORECASE,
)


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def texts(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield every summary, title of an error and description with its place."""
    if isinstance(value, dict):
        for key, one in value.items():
            if key in ("summary", "description") and isinstance(one, str):
                yield f"{place}/{key}", one
            elif key not in ("examples", "example"):
                yield from texts(one, f"{place}/{key}")
    elif isinstance(value, list):
        for one in value:
            yield from texts(one, place)


def test_f82_summaries_are_short_and_imperative() -> None:
    for name, operation in operations():
        summary = operation["summary"]
        assert re.match(r"(?!(The|An?|Which|What|Who|Is|Are|Figures|Rate|Items)\b)[A-Z][a-z]+ ", summary), (
            name,
            summary,
        )
        assert len(summary.split()) <= 8, (name, summary)
        assert not summary.endswith((".", "?")), (name, summary)


def test_f82_every_parameter_and_response_has_a_text() -> None:
    shared = DOCUMENT["components"]["parameters"]
    for name, operation in operations():
        for parameter in operation.get("parameters", ()):
            declared = shared[parameter["$ref"].rpartition("/")[2]] if "$ref" in parameter else parameter
            assert declared.get("description"), (name, parameter)
        for status, response in operation["responses"].items():
            assert response["description"] != "Successful Response", (name, status)


def test_f82_texts_are_idiomatic() -> None:
    found = [(place, text) for place, text in texts(DOCUMENT) if UNIDIOMATIC.search(text)]
    assert found == []
