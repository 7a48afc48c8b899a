"""Endpoints with which admins manage accounts."""

import uuid
from typing import Annotated

from fastapi import Query, Request, Response

from app.administration.dependencies import AccountDeletionDep, AdministrationDep
from app.administration.errors import LastAdmin
from app.administration.schemas import AccountRead, AccountUpdate, ImagesOnDeletion, UsageRead
from app.administration.service import AccountDetails, AdminChange, QuotaChange
from app.authz import policy
from app.core.errors import DatabaseBusy, SignInRequired
from app.http.dependencies import ContainerDep
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.http.requests.conditional import NOT_MODIFIED, entity_response
from app.images.upload.storage_quota import quota_of
from app.images.upload.usage_repository import UsageRepository
from app.users.accounts.schemas import UserRead
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import AdminUser, CurrentUser, PrincipalDep, RecentlySignedIn
from app.users.errors import UserNotFound

router = PrefixRouter(prefix="/users", tags=["users"], route_class=AuthenticatedRoute)

ImagesParameter = Annotated[
    ImagesOnDeletion,
    Query(description="`keep`: keep the images, with `uploaded_by` null; `delete`: delete them permanently"),
]


@router.delete(
    "/me",
    status_code=204,
    summary="Delete your account",
    responses=problems(DatabaseBusy, LastAdmin),
)
async def delete_me(
    _principal: RecentlySignedIn, user: CurrentUser, deletion: AccountDeletionDep, images: ImagesParameter = "keep"
) -> None:
    """Delete the account, its sessions, API keys and trash. Its images are kept or deleted, as `images` specifies.

    The last sign-in must be at most ten minutes old.

    The deletion of many images takes time. If it fails, the account still exists; repeat the request to continue.
    """
    await deletion.delete_own(user.id, delete_images=images == "delete")


@router.get(
    "/me/usage",
    summary="Get your storage usage",
    response_model=UsageRead,
    responses=NOT_MODIFIED,
)
async def read_usage(request: Request, user: CurrentUser, container: ContainerDep) -> Response:
    """Return the exact storage usage of the account, including uploads in progress and the trash, and its quota."""
    async with container.database.read_session() as session:
        usage = await UsageRepository(session).get(user.id)
    read = UsageRead(
        images=usage.images,
        bytes=usage.bytes,
        quota_bytes=quota_of(user, container.settings),
        trashed_images=usage.trashed_images,
        trashed_bytes=usage.trashed_bytes,
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
    """Return an account and its storage usage. Admins only."""
    return entity_response(request, _account_read(await administration.get(user_id)))


@router.patch(
    "/{user_id}",
    summary="Change an account",
    responses=problems(UserNotFound, LastAdmin, SignInRequired),
)
async def update_user(
    user_id: uuid.UUID,
    body: AccountUpdate,
    _admin: AdminUser,
    principal: PrincipalDep,
    administration: AdministrationDep,
) -> AccountRead:
    """Change the given fields of an account. Admins only; `is_admin` and `password` require an access token.

    A change of `disabled` to true or of `password` ends all sessions and API keys of the account at once.
    """
    if body.changes_rights:
        policy.require_sign_in(principal)
    await administration.change(user_id, _to_change(body))
    return _account_read(await administration.get(user_id))


@router.delete(
    "/{user_id}",
    status_code=204,
    summary="Delete an account",
    responses=problems(UserNotFound, LastAdmin, DatabaseBusy),
)
async def delete_user(
    user_id: uuid.UUID, _admin: AdminUser, deletion: AccountDeletionDep, images: ImagesParameter = "keep"
) -> None:
    """Delete an account and its trash. Its images are kept or deleted, as `images` specifies. Admins only.

    The deletion of many images takes time. If it fails, the account still exists; repeat the request to continue.
    """
    await deletion.delete(user_id, delete_images=images == "delete")


def _account_read(account: AccountDetails) -> AccountRead:
    user = account.user
    return AccountRead(
        **UserRead.of(user, account.providers).model_dump(),
        disabled=user.disabled,
        quota_bytes=user.quota_bytes,
        images=account.usage.images,
        bytes=account.usage.bytes,
        last_seen_at=account.last_used_at,
    )


def _to_change(body: AccountUpdate) -> AdminChange:
    return AdminChange(
        is_admin=body.is_admin if body.sets("is_admin") else None,
        disabled=body.disabled if body.sets("disabled") else None,
        quota=QuotaChange(body.quota_bytes) if body.sets("quota_bytes") else None,
        password=body.password,
    )
