import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response

from app.cache.answers import Answer
from app.db.changes import EVERYTHING
from app.http.caching import answer_request, find_scope_of, to_answer
from app.http.state import services_of
from app.users.dependencies import settle_viewer
from app.users.guarded_route import GuardedRoute
from app.users.viewer import Viewer

_NOBODY = Viewer()


class CachedRoute(GuardedRoute):
    """Gives the answers of the endpoints marked `cached` out of the cache.

    Who asks is settled first, by PostgreSQL, and is part of an answer's name: nobody is given what was made for others.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the cache between the check of who asks and everything else."""
        handle = super().get_route_handler()
        scope_of = find_scope_of(self.endpoint)
        if scope_of is None:
            return handle
        needs_viewer = self.needs_viewer

        async def answer(request: Request) -> Response:
            viewer = await settle_viewer(request) if needs_viewer else _NOBODY
            scope = scope_of(request.path_params)
            if scope is None:
                return await handle(request)

            async def load() -> Answer:
                return to_answer(await handle(request))

            answers = services_of(request).answers
            name = _name(request, viewer)
            return answer_request(request, await answers.find_or_load(name, (EVERYTHING, scope), load))

        return answer


def _name(request: Request, viewer: Viewer) -> str:
    """Return what tells the answer to this request to this viewer from all others."""
    sight = "" if viewer.user is None else f"{'admin' if viewer.is_admin else 'user'} {viewer.id}"
    asked = f"{sight}\n{request.scope['path']}\n".encode("utf-8", "surrogatepass") + request.scope["query_string"]
    return hashlib.blake2b(asked, digest_size=16).hexdigest()
