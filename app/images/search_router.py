"""Finding images."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query, Request, Response

from app.authz.policy import reads
from app.authz.principal import Principal
from app.authz.visibility import visibility_scope
from app.core.callers import Caller, current_caller
from app.core.errors import (
    InvalidCursor,
    QueryTimeout,
    TooManyRequests,
    Unauthenticated,
)
from app.core.pagination import DEFAULT_LIMIT, Cursor, Limit
from app.core.text.normalization import Text
from app.http.container import Container, container_of
from app.http.links import link_to, next_link
from app.http.methods import JSON
from app.http.middleware.response_cache_middleware import cached, lists
from app.http.openapi.response_headers import PAGED
from app.http.prefix_router import API_PREFIX, PrefixRouter
from app.http.problems import problems
from app.http.requests.conditional import NOT_MODIFIED
from app.images.dependencies import FacetServiceDep, charge_search, search_service_of
from app.images.filter_schema import ImageSearch
from app.images.schemas import FacetList, ImagePage, page_json, to_facet_list
from app.ratelimit.policies import search_charges
from app.search.errors import InvalidQuery, QueryTooBroad
from app.search.language import ast
from app.search.language.ast import format_query
from app.search.language.filters import DATE_FILTERS
from app.search.language.json_filter import parse_filter
from app.search.language.parser import MAX_LENGTH, parse
from app.search.planning.facet_fields import FacetName
from app.search.planning.sort_order import Sort
from app.search.service import CountMode, PageRequest, SearchCursors
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import PrincipalDep

router = PrefixRouter(prefix="/images", tags=["images"], route_class=AuthenticatedRoute)

QUERY_HELP = """\
Tags and filters. Terms side by side mean AND, which binds tighter than `OR` (or `|`). `-` or `NOT` negates, `( )`
groups, `2-of:(a b c)` requires two of the three. Quote a tag with spaces, or one that looks like a filter: `"red
sofa"`. Wildcards match tag names: `cat*`, `*cat`, `c*t`. An empty query and `*` match all images. A term with a colon
is a tag unless its prefix is a filter: `rating:safe`.

Filters: `uploader:me|none|<id>`, `name:<glob>`, `camera:<glob>`, `type:jpeg|png|webp|gif|avif|heic`,
`visibility:private|public`, `sha256:`, `similar:<image id>`, and `width: height: pixels: tags: ratio: size: date:
taken:` with `a`, `a,b`, `>a`, `>=a`, `<a`, `<=a`, `a..b`, `a..`, `..b`. `size` takes b, kb, mb and gb (powers of
1024), `ratio` 16:9 or 1.5, `date` 2026, 2026-03, 2026-03-09, a time, today, yesterday or `7d..` (h, d, w, y), in UTC;
`taken` takes the same in the local time of the camera. Limits: 4096 characters, 50 terms, 50 values of a filter, 10
nested groups, 100 tags of a wildcard."""
SORT_HELP = """\
`created`, `taken`, `name`, `size`, `width`, `pixels` or `tags`, with `-` for descending order; or `random:<seed>`.
Images without `taken_at` come last in both directions"""
QUERY_EXAMPLES = {
    "tags": {"value": "cat -dog"},
    "groups": {"value": '(cat OR dog) "red sofa"'},
    "filters": {"value": "cat* type:jpeg,png width:>=1920 date:7d.."},
    "some of several": {"value": "2-of:(cat dog bird)"},
}
SearchText = Annotated[Text, Query(max_length=MAX_LENGTH, openapi_examples=QUERY_EXAMPLES, description=QUERY_HELP)]


def report_search_quota(request: Request) -> None:
    """Note the quota of a search whose page is cached."""
    container, caller = container_of(request), current_caller.get() or Caller(None)
    account, address = caller.account, caller.address
    limits = container.settings.search_limits
    container.limits.report(("search", account, address), lambda: search_charges(limits, account, address))


@router.get(
    "",
    summary="Find images",
    response_model=ImagePage,
    responses={
        **NOT_MODIFIED,
        **problems(InvalidQuery, QueryTooBroad, InvalidCursor, Unauthenticated, QueryTimeout, TooManyRequests),
    },
)
@cached(lists, report_search_quota)
async def list_images(
    request: Request,
    principal: PrincipalDep,
    q: SearchText = "",
    sort: Annotated[Sort, Query(examples=["-created"], description=SORT_HELP)] = "-created",
    count: Annotated[
        CountMode, Query(description="The kind of `total`. An exact count that takes too long becomes an estimate")
    ] = "none",
    limit: Annotated[Limit, Query()] = DEFAULT_LIMIT,
    cursor: Annotated[Cursor, Query()] = None,
) -> Response:
    """Return a page of the images that match the query and that the caller may see.

    An empty first page may have `hints`: corrections, similar tags, and the query without the term that empties it.
    """
    # Not by dependencies: FastAPI takes 0.1 ms for each.
    container = container_of(request)
    await charge_search(request, container, principal)
    parameters = PageParameters(q, parse(q), sort, count, limit, cursor)
    page = await _search(container, principal, parameters)
    headers = {"Cache-Control": cache_control(page.query, principal), "Vary": "Authorization", "Accept-Query": JSON}
    if page.next_cursor is not None:
        headers["Link"] = next_link(request, page.next_cursor)
    return Response(page.body, headers=headers, media_type=JSON)


@router.post(
    "/search",
    summary="Find images by a JSON filter",
    response_model=ImagePage,
    responses={
        200: {PAGED: True},
        **problems(InvalidQuery, QueryTooBroad, InvalidCursor, Unauthenticated, QueryTimeout, TooManyRequests),
    },
)
@reads
async def search_images(body: ImageSearch, request: Request, principal: PrincipalDep) -> Response:
    """Return a page of the images that a filter in JSON matches, as `GET /v1/images` does for a text.

    Both have the same canonical `query` and the same cursors, so the next page has a `Link` to `GET /v1/images`. The
    limits are those of `q`, with 10 nested groups. An invalid filter is 400 `invalid-query`. Its `pointer` (RFC 6901)
    refers to the place in the body.

    `QUERY /v1/images` (RFC 10008) with the same body is the same request as a safe method.
    """
    container = container_of(request)
    await charge_search(request, container, principal)
    query = parse_filter(body.filter)
    text = format_query(query)
    parameters = PageParameters(text, query, body.sort, body.count, body.limit, body.cursor)
    page = await _search(container, principal, parameters)
    headers = {"Cache-Control": "no-store"}
    if page.next_cursor is not None:
        named = [("q", text), ("sort", body.sort), ("count", body.count), ("limit", body.limit)]
        headers["Link"] = link_to(request, f"{API_PREFIX}/images", [*named, ("cursor", page.next_cursor)])
    return Response(page.body, headers=headers, media_type=JSON)


# OpenAPI 3.1 cannot describe the method.
router.add_api_route("", search_images, methods=["QUERY"], include_in_schema=False, name="query_images")


@dataclass(frozen=True, slots=True)
class PageParameters:
    """The parameters of a page: its query as a text and as a tree, and its order, count, limit and cursor."""

    text: str
    query: ast.Node
    sort: str
    count: CountMode
    limit: int
    cursor: str | None


@dataclass(frozen=True, slots=True)
class EncodedPage:
    """A page as JSON, its query, and the cursor of the next page."""

    body: bytes
    query: ast.Node
    next_cursor: str | None


async def _search(container: Container, principal: Principal, wanted: PageParameters) -> EncodedPage:
    """Run a search. A cursor is valid for an equal query in either language."""
    cursors = SearchCursors(container.cursors, principal.id, wanted.query, wanted.sort)
    scope, after = visibility_scope(principal), cursors.decode(wanted.cursor)
    page = await search_service_of(container).fetch_page(
        PageRequest(wanted.text, wanted.query, scope, cursors.order, after, wanted.limit, wanted.count)
    )
    next_cursor = cursors.encode(page)
    return EncodedPage(page_json(page, next_cursor, cursors.query), wanted.query, next_cursor)


@router.get(
    "/facets",
    summary="Count the values of a field",
    responses={
        **NOT_MODIFIED,
        **problems(InvalidQuery, QueryTooBroad, Unauthenticated, QueryTimeout, TooManyRequests),
    },
)
@cached(lists, report_search_quota)
async def list_facets(
    request: Request,
    principal: PrincipalDep,
    service: FacetServiceDep,
    response: Response,
    by: Annotated[FacetName, Query(description="The field", examples=["tag"])],
    q: SearchText = "",
    limit: Annotated[Limit, Query()] = DEFAULT_LIMIT,
) -> FacetList:
    """Return the most frequent values of a field among the images that match the query and that the caller may see.

    Each value is a valid value of the filter for the field: a tag, or a value of `type:`, `uploader:`, `date:` or
    `camera:`. Years and months are those of `created_at` in UTC. `total` is the number of matching
    images. Where an exact result would take too long, it is estimated from a sample.
    """
    await charge_search(request, container_of(request), principal)
    query = parse(q)
    facets = await service.fetch_facets(query, visibility_scope(principal), by, limit)
    response.headers.update({"Cache-Control": cache_control(query, principal), "Vary": "Authorization"})
    return to_facet_list(by, facets)


def cache_control(query: ast.Node, principal: Principal) -> str:
    """Return the `Cache-Control` of a page. A page that also changes with the clock is not stored."""
    if any(isinstance(leaf, ast.Filter) and leaf.name in DATE_FILTERS for leaf in ast.leaves(query)):
        return "no-store"
    return "public, no-cache" if principal.user is None else "private, no-cache"
