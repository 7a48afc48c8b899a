from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant

from app.authz import policy
from app.http.requests.strict_route import StrictRoute
from app.users.dependencies import get_user, get_viewer, settle_viewer


class GuardedRoute(StrictRoute):
    """Settles who asks before the body is read.

    FastAPI reads and parses the body before it looks at any dependency, so that a stranger would be told what is wrong
    with it; missing and bad credentials come first here.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the check in front of FastAPI's own handler, where the route asks for it."""
        handle = super().get_route_handler()
        if not self.needs_viewer:
            return handle
        needs_user = get_user in _calls(self.dependant)

        async def guarded(request: Request) -> Response:
            viewer = await settle_viewer(request)
            if needs_user:
                policy.require_user(viewer)
            return await handle(request)

        return guarded

    @property
    def needs_viewer(self) -> bool:
        """Whether the route asks who asks."""
        return get_viewer in _calls(self.dependant)


def _calls(dependant: Dependant) -> set[Any]:
    return {dependant.call}.union(*(_calls(one) for one in dependant.dependencies))
