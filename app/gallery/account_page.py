"""The page of the account, and the forms that end its other sessions and delete it.

The scripts of the page change the rest by the API.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response

from app.administration.schemas import ImagesOnDeletion
from app.authz import policy
from app.authz.principal import Principal
from app.core.errors import AppError, Unauthenticated
from app.core.security import AccessClaims
from app.gallery.account_overview import AccountOverview
from app.gallery.dependencies import AccountDeletionDep, AccountOverviewDep
from app.gallery.gallery_cookie import GallerySessionsDep, Member, delete_session_cookie, require_csrf_token
from app.gallery.page_rendering import GalleryRoute, redirect, refusal, show_page
from app.http.dependencies import ContainerDep
from app.users.accounts.field_types import CurrentPassword
from app.users.dependencies import ReauthenticationDep
from app.users.social.dependencies import ProvidersDep

ACCOUNT = "/account"
_DELETION_FORM = "account_deletion.html"

pages = APIRouter(include_in_schema=False, route_class=GalleryRoute)


@pages.get(ACCOUNT)
async def show_account(
    request: Request, member: Member, container: ContainerDep, overview: AccountOverviewDep, providers: ProvidersDep
) -> Response:
    """Show the account with its storage, sessions, API keys and sign-in methods."""
    account = await overview.read(policy.require_user(member))
    return show_page(
        request,
        "account.html",
        member,
        account=account,
        providers=providers.names,
        sends_mail=container.settings.smtp_url is not None,
    )


@pages.post("/account/sessions/end-others")
async def end_other_sessions(
    request: Request, claims: Annotated[AccessClaims, Depends(require_csrf_token)], sessions: GallerySessionsDep
) -> Response:
    """End every session of the account except the one of the browser, and show the account."""
    await sessions.end_others(claims.user_id, claims.session_id)
    return redirect(request, ACCOUNT)


@pages.get("/account/deletion")
async def show_account_deletion(request: Request, member: Member, overview: AccountOverviewDep) -> Response:
    """Show the form that deletes the account, with the consequences."""
    return await _deletion_form(request, member, overview, notice=None)


@pages.post("/account/deletion", dependencies=[Depends(require_csrf_token)])
async def delete_account(
    request: Request,
    member: Member,
    overview: AccountOverviewDep,
    reauthentication: ReauthenticationDep,
    deletion: AccountDeletionDep,
    password: Annotated[CurrentPassword, Form()] = "",
    images: Annotated[ImagesOnDeletion, Form()] = "keep",
) -> Response:
    """Delete the account and the cookie; otherwise show the form again with the reason.

    The password is required; of an account without one, a sign-in within the last ten minutes.
    """
    user = policy.require_user(member)
    try:
        await reauthentication.require_password(member, user, password)
        await deletion.delete_own(user.id, delete_images=images == "delete")
    except Unauthenticated:
        raise
    except AppError as error:
        return await _deletion_form(request, member, overview, images=images, **refusal(request, error))
    response = show_page(request, _DELETION_FORM, Principal(), is_deleted=True)
    delete_session_cookie(response, request)
    return response


async def _deletion_form(
    request: Request, member: Principal, overview: AccountOverview, images: ImagesOnDeletion = "keep", **values: Any
) -> Response:
    account = await overview.read(policy.require_user(member))
    return show_page(request, _DELETION_FORM, member, account=account, images=images, **values)
