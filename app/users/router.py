from typing import Annotated, Literal

from fastapi import APIRouter, Form, Response

from app.core.errors import EmailTaken, InvalidCredentials, InvalidToken, Unauthenticated, ValidationFailed
from app.http.dependencies import ServicesDep
from app.http.problems import problems
from app.models import User
from app.users.dependencies import CurrentUser, SignInDep, UsersRepo, ViewerDep
from app.users.repository import UserRepository
from app.users.schemas import TokenRead, UserCreate, UserRead

users_router = APIRouter(prefix="/users", tags=["users"])
auth_router = APIRouter(prefix="/auth", tags=["auth"])


@users_router.post(
    "",
    status_code=201,
    summary="Sign up",
    responses=problems(EmailTaken, ValidationFailed),
)
async def create_user(body: UserCreate, services: ServicesDep, response: Response) -> UserRead:
    """Open an account with an e-mail address and a password of 8 to 1024 characters."""
    # Hashed before the unit of work begins: no connection waits for it.
    password_hash = await services.passwords.hash(body.password)
    async with services.database.unit_of_work() as session:
        user = await UserRepository(session).add(body.email, password_hash)
    response.headers["Location"] = "/v1/users/me"
    return to_read(user)


@users_router.get("/me", summary="Read your account", responses=problems(Unauthenticated, InvalidToken))
async def read_me(user: CurrentUser) -> UserRead:
    """Return the account that the access token speaks for."""
    return to_read(user)


@auth_router.post(
    "/token",
    summary="Get tokens for a password or a refresh token",
    responses=problems(InvalidCredentials, InvalidToken, ValidationFailed),
)
async def issue_token(
    sign_in: SignInDep,
    response: Response,
    grant_type: Annotated[Literal["password", "refresh_token"], Form()],
    username: Annotated[str | None, Form(description="E-mail address (password grant)", max_length=320)] = None,
    password: Annotated[str | None, Form(json_schema_extra={"format": "password"}, max_length=1024)] = None,
    refresh_token: Annotated[str | None, Form(max_length=1024)] = None,
) -> TokenRead:
    """Answer an OAuth 2 password or refresh_token grant. A refresh token is good for one use."""
    response.headers["Cache-Control"] = "no-store"
    if grant_type == "password":
        return await sign_in.with_password(_required("username", username), _required("password", password))
    return await sign_in.with_refresh_token(_required("refresh_token", refresh_token))


@auth_router.post(
    "/logout", status_code=204, summary="End this session", responses=problems(Unauthenticated, InvalidToken)
)
async def log_out(viewer: ViewerDep, repository: UsersRepo) -> None:
    """End the session: its access and refresh tokens are refused at once."""
    if viewer.session_id is None:
        raise Unauthenticated
    await repository.remove_session(viewer.session_id)


def to_read(user: User) -> UserRead:
    """Shape an account for the wire; hashes and tokens stay behind."""
    return UserRead(
        id=user.id,
        email=user.email,
        created_at=user.created_at,
        is_admin=user.is_admin,
        has_password=user.password is not None,
    )


def _required(name: str, value: str | None) -> str:
    if not value:
        raise ValidationFailed.at(["body", name], "field required by this grant", "missing")
    return value
