"""The page of the account. Its scripts change the account by the API."""

from fastapi import APIRouter, Request, Response

from app.authz import policy
from app.gallery.dependencies import AccountOverviewDep
from app.gallery.gallery_cookie import Member
from app.gallery.page_rendering import GalleryRoute, show_page
from app.http.dependencies import ContainerDep
from app.users.social.dependencies import ProvidersDep

pages = APIRouter(include_in_schema=False, route_class=GalleryRoute)


@pages.get("/account")
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
