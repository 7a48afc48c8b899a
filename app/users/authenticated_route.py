"""A route that authenticates the caller before it reads the body."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant

from app.authz import policy
from app.http.requests.strict_route import StrictRoute
from app.users.dependencies import get_admin, get_principal, get_user, require_valid_credentials


class AuthenticatedRoute(StrictRoute):
    """Authenticates the caller before the query parameters are checked and the body is read.

    FastAPI parses the body before it resolves dependencies. Errors of the body would precede those of the credentials.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler, preceded by the check if the route has an authentication dependency."""
        handle = super().get_route_handler()
        if not self.requires_principal:
            return handle
        calls = _calls(self.dependant)
        check = policy.require_admin if get_admin in calls else policy.require_user if get_user in calls else None

        async def guarded(request: Request) -> Response:
            principal = await get_principal(request)
            if check is not None:
                check(principal)
            return await handle(request)

        return guarded

    @property
    def requires_principal(self) -> bool:
        """Return whether the route depends on the caller."""
        return require_valid_credentials in _calls(self.dependant)


def _calls(dependant: Dependant) -> set[Any]:
    return {dependant.call}.union(*(_calls(one) for one in dependant.dependencies))
