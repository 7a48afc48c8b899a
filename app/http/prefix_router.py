"""The router class of the API, which skips its routes for paths of other resources."""

from fastapi import APIRouter
from starlette._utils import get_route_path
from starlette.routing import Match
from starlette.types import Scope

API_PREFIX = "/v1"


class PrefixRouter(APIRouter):
    """A router for `API_PREFIX` that compares a path with its routes only if the path has its prefix.

    FastAPI compares a path with every route in turn. This took half the time of a request to the last router.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether a route matches, and the changes to the scope."""
        if not get_route_path(scope).startswith(API_PREFIX + self.prefix):
            return Match.NONE, {}
        return super().matches(scope)
