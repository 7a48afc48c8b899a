"""The endpoint for suggested tags."""

import uuid
from typing import Annotated

from fastapi import Query, Response

from app.core.errors import DatabaseBusy, QueryTimeout, TooManyConcurrentRequests, TooManyRequests
from app.core.pagination import DEFAULT_LIMIT, Limit
from app.core.resource_paths import image_path
from app.http.dependencies import ContainerDep
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.images.errors import ImageNotFound
from app.images.suggestions.schemas import SuggestedTagList, SuggestedTagRead
from app.images.suggestions.service import TagSuggester
from app.ratelimit.policies import search_charges
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import DeviceDep, PrincipalDep

router = PrefixRouter(prefix="/images", tags=["images"], route_class=AuthenticatedRoute)


@router.get(
    "/{image_id}/suggested-tags",
    summary="Suggest tags for an image",
    responses=problems(ImageNotFound, QueryTimeout, TooManyRequests, TooManyConcurrentRequests, DatabaseBusy),
)
async def suggest_tags(
    image_id: uuid.UUID,
    principal: PrincipalDep,
    container: ContainerDep,
    device: DeviceDep,
    response: Response,
    limit: Annotated[Limit, Query()] = DEFAULT_LIMIT,
) -> SuggestedTagList:
    """Return tags that the image lacks and that images which the caller may see vote for, the best first.

    * Copies of the image vote by their similarity.
    * Images that share a tag with it vote by how often the suggested tag occurs with the shared one. Of 500 images
      divided by the number of tags, the first of each tag vote.
    * `score` is the sum of the votes, divided by the binary logarithm of the number of public images with the tag plus
      2. So a rare tag needs fewer votes than a common one.

    To accept a suggestion, add the tag with `"source": "suggestion"`. The history then has this source.
    """
    await container.limits.charge(search_charges(container.settings.search_limits, principal.id, device.address))
    response.headers["Cache-Control"] = "private, no-cache"
    suggester = TagSuggester(container.database, container.queues.searches)
    tags = await suggester.list_tags(image_id, principal, limit)
    return SuggestedTagList(
        items=[
            SuggestedTagRead(tag=tag.name, score=tag.score, votes=tag.votes, because=list(map(image_path, tag.images)))
            for tag in tags
        ]
    )
