"""Finds the methods of a path: for `Allow`, for OPTIONS, and for an id that names no resource."""

from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from fastapi import FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from app.core.errors import NotFound

# The media type of all bodies of QUERY.
JSON = "application/json"
_ORDER = ("GET", "HEAD", "POST", "QUERY", "PUT", "PATCH", "DELETE")
# The methods of a mount of static files.
_STATIC = frozenset({"GET", "HEAD"})


def methods_of_path(app: FastAPI, path: str) -> list[str]:
    """Return the methods of all routes that match a path; `*` stands for every path.

    An invalid UUID matches only if no other route does: `/v1/images/lookup` is not an image.
    """
    contexts = list(iter_route_contexts(app.routes))
    if path == "*":
        return _in_order(_methods(contexts))
    matching = [(one, match.groupdict()) for one in contexts if (match := one.path_regex.match(path))]
    exact = [one for one, values in matching if all(is_uuid(values[name]) for name in _id_names(one))]
    return _in_order(_methods(exact or [one for one, _ in matching]))


def describe_methods(methods: Sequence[str]) -> dict[str, str]:
    """Return the header fields for the methods of a resource (RFC 9110, 10.2.1; RFC 10008, 3)."""
    fields = {"Allow": ", ".join(methods)}
    return fields | {"Accept-Query": JSON} if "QUERY" in methods else fields


def has_other_route(app: FastAPI, path: str) -> bool:
    """Return whether a route matches the path and all ids of the route are valid UUIDs."""
    for one in iter_route_contexts(app.routes):
        match = one.path_regex.match(path)
        if match and all(is_uuid(match[name]) for name in _id_names(one)):
            return True
    return False


def missing_resource(route: object) -> type[NotFound]:
    """Return the first 404 error that a route declares, which is that of the path's resource."""
    responses = route.responses if isinstance(route, APIRoute) else {}
    slugs = [slug for content in responses.get(404, {}).get("content", {}).values() for slug in content["examples"]]
    kinds = {kind.slug: kind for kind in NotFound.__subclasses__()}
    return next((kinds[slug] for slug in slugs if slug in kinds), NotFound)


def is_uuid(text: str) -> bool:
    """Return whether the text is a UUID in any form that a path may have."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _id_names(context: RouteContext) -> Iterator[str]:
    if isinstance(context.original_route, APIRoute):
        for field in context.original_route.dependant.path_params:
            if field.field_info.annotation is UUID:
                yield field.alias


def _methods(contexts: Iterable[RouteContext]) -> Iterator[str]:
    for one in contexts:
        methods = one.methods or _STATIC
        yield from methods
        # Every route that supports GET supports HEAD.
        if "GET" in methods:
            yield "HEAD"


def _in_order(methods: Iterable[str]) -> list[str]:
    return sorted(set(methods), key=lambda one: (_ORDER.index(one) if one in _ORDER else len(_ORDER), one))
