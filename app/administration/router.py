import uuid
from typing import Annotated

from fastapi import Query, Request, Response

from app.administration.dependencies import AdministrationDep, ClosingDep
from app.administration.schemas import AccountRead, AccountUpdate, ImagesOnDeletion, UsageRead
from app.authz import policy
from app.core.errors import DatabaseBusy, LastAdmin, SignInRequired, UserNotFound
from app.http.dependencies import ServicesDep
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.http.requests.conditional import NOT_MODIFIED, entity_response
from app.images.upload.storage_quota import quota_of
from app.images.upload.usage_repository import UsageRepository
from app.users.dependencies import AdminUser, CurrentUser, RecentlySignedIn, ViewerDep
from app.users.guarded_route import GuardedRoute

router = PrefixRouter(prefix="/users", tags=["users"], route_class=GuardedRoute)

ImagesParameter = Annotated[
    ImagesOnDeletion,
    Query(description="`keep`: the images stay, with `uploaded_by` null; `delete`: they are deleted permanently"),
]


@router.delete(
    "/me",
    status_code=204,
    summary="Delete your account",
    responses=problems(DatabaseBusy, LastAdmin),
)
async def delete_me(
    _viewer: RecentlySignedIn, user: CurrentUser, closing: ClosingDep, images: ImagesParameter = "keep"
) -> None:
    """Delete the account, its sessions and keys, and keep or delete its images.

    It needs a sign-in of the last ten minutes.

    Many images take time. After an error the account still exists, and the same request continues.
    """
    await closing.close_own(user.id, images)


@router.get(
    "/me/usage",
    summary="Get your storage usage",
    response_model=UsageRead,
    responses=NOT_MODIFIED,
)
async def read_usage(request: Request, user: CurrentUser, services: ServicesDep) -> Response:
    """Return what the account has stored and is uploading, exactly, and its quota. Sizes are in bytes."""
    async with services.database.reader() as session:
        usage = await UsageRepository(session).get(user.id)
    read = UsageRead(
        images=usage.images,
        bytes=usage.bytes,
        quota_bytes=quota_of(user, services.settings),
        trashed_images=0,
        trashed_bytes=0,
        uploading_bytes=usage.uploading,
    )
    return entity_response(request, read)


@router.get(
    "/{user_id}",
    summary="Get an account",
    response_model=AccountRead,
    responses={**NOT_MODIFIED, **problems(UserNotFound)},
)
async def read_user(
    request: Request, user_id: uuid.UUID, _admin: AdminUser, administration: AdministrationDep
) -> Response:
    """Return an account with what it has stored. Admins only."""
    return entity_response(request, await administration.read(user_id))


@router.patch(
    "/{user_id}",
    summary="Change an account",
    responses=problems(UserNotFound, LastAdmin, SignInRequired),
)
async def update_user(
    user_id: uuid.UUID,
    body: AccountUpdate,
    _admin: AdminUser,
    viewer: ViewerDep,
    administration: AdministrationDep,
) -> AccountRead:
    """Change the given fields of an account. Admins only; `is_admin` and `password` need a session, no API key.

    Disabling the account and setting its password end all its sessions and API keys at once.
    """
    if body.changes_rights:
        policy.require_sign_in(viewer)
    await administration.change(user_id, body)
    return await administration.read(user_id)


@router.delete(
    "/{user_id}",
    status_code=204,
    summary="Delete an account",
    responses=problems(UserNotFound, LastAdmin, DatabaseBusy),
)
async def delete_user(
    user_id: uuid.UUID, _admin: AdminUser, closing: ClosingDep, images: ImagesParameter = "keep"
) -> None:
    """Disable the account, keep or delete its images, and delete it. Admins only.

    Many images take time. After an error the account still exists, and the same request continues.
    """
    await closing.close(user_id, images)
