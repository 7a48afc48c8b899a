"""Strict query parameters: an operation accepts only declared ones, and repeats only of lists."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar, get_origin
from urllib.parse import parse_qsl

from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from starlette.datastructures import QueryParams

from app.core.errors import ValidationFailed
from app.core.field_errors import field_error
from app.core.text.suggestions import closest_match

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

MAX_REPORTED = 10
MAX_NAME_LENGTH = 100
# The number of cached canonical forms, and the longest query string that is cached.
MAX_KEPT = 1024
MAX_KEPT_LENGTH = 256
_ATTRIBUTE = "ignores_unknown_parameters"


def ignores_unknown_parameters(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint that accepts unknown parameters, because another server builds its URL."""
    setattr(endpoint, _ATTRIBUTE, True)
    return endpoint


class QueryParameters:
    """The query parameters that an operation declares."""

    def __init__(self, dependant: Dependant) -> None:
        self._is_list = dict(_declared(dependant))
        self._ignores_unknown = getattr(dependant.call, _ATTRIBUTE, False)
        self._kept_canonical = lru_cache(MAX_KEPT)(self._canonical)

    def check(self, given: QueryParams) -> None:
        """Raise ValidationFailed for an unknown parameter, and for a repeated one that is not a list."""
        pairs = given.multi_items()
        if len(given) == len(pairs) and given.keys() <= self._is_list.keys():
            return
        counts: dict[str, int] = {}
        for name, _ in pairs:
            counts[name] = counts.get(name, 0) + 1
        if errors := list(self._errors(counts)):
            raise ValidationFailed(errors[:MAX_REPORTED])

    def canonical(self, query_string: bytes) -> str | None:
        """Return a canonical form, independent of the order and the encoding of the parameters.

        None for a query with an unknown or repeated parameter, because its response differs.
        """
        is_kept = len(query_string) <= MAX_KEPT_LENGTH
        return self._kept_canonical(query_string) if is_kept else self._canonical(query_string)

    def _canonical(self, query_string: bytes) -> str | None:
        pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
        given = dict(pairs)
        if len(given) != len(pairs) or not given.keys() <= self._is_list.keys():
            return None
        # As a literal: encoding the values would take as long as parsing them.
        return repr(sorted(pairs))

    def _errors(self, counts: Mapping[str, int]) -> Iterator[dict[str, Any]]:
        for name, count in counts.items():
            loc = ["query", name[:MAX_NAME_LENGTH]]
            if name not in self._is_list:
                if not self._ignores_unknown:
                    suggestion = closest_match(name, self._is_list)
                    yield field_error(loc, self._unknown, "unknown_parameter", suggestion)
            elif count > 1 and not self._is_list[name]:
                yield field_error(loc, "The parameter takes one value only.", "repeated")

    @property
    def _unknown(self) -> str:
        accepted = (
            f"The accepted ones are: {', '.join(self._is_list)}." if self._is_list else "This operation takes none."
        )
        return f"The parameter is unknown. {accepted}"


def _declared(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """Yield the name of each declared query parameter, and whether it takes a list of values."""
    for field in get_flat_params(dependant):
        if isinstance(field.field_info, Query):
            yield field.alias, takes_list(field.field_info.annotation)


def takes_list(annotation: Any) -> bool:
    """Return whether a parameter of this type can be repeated."""
    origin = get_origin(annotation) or annotation
    return isinstance(origin, type) and issubclass(origin, Sequence | set | frozenset) and not issubclass(origin, str)
