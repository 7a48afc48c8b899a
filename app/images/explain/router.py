"""The endpoint that explains a query."""

from typing import Annotated

from fastapi import Query, Response

from app.authz.visibility import visibility_scope
from app.core.errors import QueryTimeout, TooManyRequests, Unauthenticated
from app.core.text.normalization import Text
from app.http.dependencies import ContainerDep
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.images.explain.schemas import SearchExplanation, to_search_explanation
from app.images.search_router import QUERY_EXAMPLES, QUERY_HELP
from app.ratelimit.policies import search_charges
from app.search.errors import InvalidQuery
from app.search.explain.explain_service import ExplainService
from app.search.language.ast import format_query
from app.search.language.parser import MAX_LENGTH, parse_with_positions
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import DeviceDep, PrincipalDep

router = PrefixRouter(prefix="/images", tags=["images"], route_class=AuthenticatedRoute)


@router.get(
    "/explain",
    summary="Explain a query",
    responses=problems(InvalidQuery, Unauthenticated, QueryTimeout, TooManyRequests),
    response_model_exclude_unset=True,
)
async def explain_query(
    response: Response,
    principal: PrincipalDep,
    container: ContainerDep,
    device: DeviceDep,
    q: Annotated[Text, Query(max_length=MAX_LENGTH, openapi_examples=QUERY_EXAMPLES, description=QUERY_HELP)] = "",
) -> SearchExplanation:
    """Return how many visible images match each term, and how many match the query without it.

    All counts are exact. A count is null if all counts together take longer than half the time limit of a search. A
    wildcard with more than 100 tags is cut, and its counts are null; a search refuses such a query. The plan assumes a
    collection of the visible images only, in the default order. For an admin, `steps` has the search of the first page.
    """
    await container.limits.charge(search_charges(container.settings.search_limits, principal.id, device.address))
    query = parse_with_positions(q)
    seconds = container.settings.search_timeout_ms / 1000
    service = ExplainService(container.database, container.search, container.queues.searches, seconds)
    explanation = await service.explain(query, visibility_scope(principal))
    response.headers["Cache-Control"] = "no-store"
    return to_search_explanation(explanation, format_query(query.tree))
