"""Endpoints to list and unlink social identities."""

from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import CurrentUser, RecentlySignedIn
from app.users.errors import IdentityNotFound, LastSignInMethod
from app.users.social.dependencies import IdentitiesDep
from app.users.social.router import ProviderName
from app.users.social.schemas import IdentityList, IdentityRead

router = PrefixRouter(prefix="/users/me/identities", tags=["users"], route_class=AuthenticatedRoute)


@router.get("", summary="List your identities")
async def list_identities(user: CurrentUser, identities: IdentitiesDep) -> IdentityList:
    """Return the linked identities, with which the owner can sign in to the account."""
    rows = await identities.list_all(user.id)
    return IdentityList(items=[IdentityRead.model_validate(row, from_attributes=True) for row in rows])


@router.delete(
    "/{provider}",
    status_code=204,
    summary="Unlink an identity",
    responses=problems(IdentityNotFound, LastSignInMethod),
)
async def unlink_identity(
    provider: ProviderName, principal: RecentlySignedIn, user: CurrentUser, identities: IdentitiesDep
) -> None:
    """Unlink the account's identities at this provider and end all other sessions.

    The last sign-in must be at most ten minutes old. The only sign-in method of an account cannot be removed; set a
    password first. The address becomes unverified; otherwise the next social login would link the identity again.
    """
    await identities.unlink(user.id, provider, principal.session_id)
