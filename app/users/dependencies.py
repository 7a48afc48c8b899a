"""Who is asking. Each check has a short read of its own, so that no connection stays held after it."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer

from app.core.errors import AdminRequired, InvalidToken, Unauthenticated
from app.http.dependencies import ServicesDep, SessionDep
from app.models import User
from app.users.repository import UserRepository
from app.users.service import SignIn
from app.users.viewer import Viewer

_bearer = OAuth2PasswordBearer(tokenUrl="/v1/auth/token", refreshUrl="/v1/auth/token", auto_error=False)


async def get_viewer(request: Request, services: ServicesDep, token: Annotated[str | None, Depends(_bearer)]) -> Viewer:
    """Return who asks. No credentials are nobody; bad ones are an error, never nobody."""
    if token is None:
        if "authorization" in request.headers:
            raise InvalidToken("The Authorization header does not hold a bearer token")
        return Viewer()
    claims = services.access_tokens.read(token)
    async with services.database.reader() as session:
        user = await UserRepository(session).find_by_session(claims.user_id, claims.session_id)
    if user is None:
        raise InvalidToken("The session has ended")
    request.state.user_id, request.state.credential_id = user.id, claims.session_id
    return Viewer(user, claims.session_id)


ViewerDep = Annotated[Viewer, Depends(get_viewer)]


async def get_user(viewer: ViewerDep) -> User:
    """Return the account that asks. Raises Unauthenticated."""
    if viewer.user is None:
        raise Unauthenticated
    return viewer.user


CurrentUser = Annotated[User, Depends(get_user)]


async def get_admin(user: CurrentUser) -> User:
    """Return the admin that asks. Raises Unauthenticated, AdminRequired."""
    if not user.is_admin:
        raise AdminRequired
    return user


AdminUser = Annotated[User, Depends(get_admin)]


def get_users_repository(session: SessionDep) -> UserRepository:
    """Return the repository on the request's unit of work."""
    return UserRepository(session)


def get_sign_in(services: ServicesDep) -> SignIn:
    """Return the sign-in service."""
    return SignIn(services)


UsersRepo = Annotated[UserRepository, Depends(get_users_repository)]
SignInDep = Annotated[SignIn, Depends(get_sign_in)]
