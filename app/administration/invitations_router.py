"""Endpoints for invitations, which admins create."""

import uuid

from fastapi import Request, Response

from app.administration.dependencies import InvitationsDep, InvitationsReader
from app.administration.errors import TooManyInvitations
from app.administration.schemas import InvitationCreate, InvitationCreated, InvitationPage, InvitationRead
from app.http.links import public_path
from app.http.paging import PagingDep
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import AdminUser
from app.users.errors import InvitationNotFound

router = PrefixRouter(prefix="/users/invitations", tags=["users"], route_class=AuthenticatedRoute)


@router.post(
    "",
    status_code=201,
    summary="Create an invitation",
    responses=problems(TooManyInvitations),
)
async def create_invitation(
    body: InvitationCreate, admin: AdminUser, invitations: InvitationsDep, request: Request, response: Response
) -> InvitationCreated:
    """Create a code that allows one sign-up. If `email` is set, only this address can use it. Admins only.

    The code is shown once. It becomes invalid when the admin who created it is demoted, disabled or deleted.
    """
    invitation, code = await invitations.create(admin, body.email, body.expires_at)
    response.headers["Location"] = public_path(request, f"/v1/users/invitations/{invitation.id}")
    response.headers["Cache-Control"] = "no-store"
    return InvitationCreated(code=code, **InvitationRead.model_validate(invitation).model_dump())


@router.get("", summary="List invitations")
async def list_invitations(_admin: AdminUser, invitations: InvitationsReader, paging: PagingDep) -> InvitationPage:
    """Return a page of unused invitations that have not expired, newest first. Admins only."""
    query = "invitations"
    rows, next_cursor = paging.page(await invitations.list_newest(paging.after(query), paging.fetch_limit), query)
    return InvitationPage(items=[InvitationRead.model_validate(row) for row in rows], next_cursor=next_cursor)


@router.delete(
    "/{invitation_id}",
    status_code=204,
    summary="Withdraw an invitation",
    responses=problems(InvitationNotFound),
)
async def delete_invitation(invitation_id: uuid.UUID, _admin: AdminUser, invitations: InvitationsDep) -> None:
    """Delete an unused invitation. Its code is refused at once. Admins only."""
    await invitations.revoke(invitation_id)
