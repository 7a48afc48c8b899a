"""The session cookie of the operators' pages. Scripts cannot read it, and browsers send it only to `/ops`.

It contains a token of an ordinary session, which every request checks in PostgreSQL. The token has its own audience:
the API refuses it as a bearer token, and these pages refuse access tokens.
"""

from typing import Annotated

from fastapi import Depends, Request, Response

from app.authz import policy
from app.core.errors import Unauthenticated
from app.core.security import Audience
from app.http.cookies import is_https, single_cookie
from app.http.dependencies import ContainerDep
from app.http.links import public_path
from app.models import User
from app.ops.operator_sessions import LIFETIME_SECONDS, OperatorSessions
from app.users.sessions.dependencies import PasswordSignInDep, browser_sessions_of

COOKIE = "imts_ops"
PATH = "/ops"


async def get_operator_sessions(container: ContainerDep, password_sign_in: PasswordSignInDep) -> OperatorSessions:
    sessions = browser_sessions_of(container, password_sign_in, Audience.OPS, LIFETIME_SECONDS)
    return OperatorSessions(sessions)


OperatorSessionsDep = Annotated[OperatorSessions, Depends(get_operator_sessions)]


def set_cookie(response: Response, request: Request, token: str) -> None:
    """Set the cookie. It is `Secure` if the service or its proxy uses TLS."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=LIFETIME_SECONDS,
        path=public_path(request, PATH),
        secure=is_https(request),
        httponly=True,
        samesite="strict",
    )


async def get_operator(request: Request, sessions: OperatorSessionsDep) -> User:
    """Return the admin that the cookie authenticates. Raises Unauthenticated, InvalidToken, AdminRequired."""
    token = single_cookie(request, COOKIE)
    if token is None:
        raise Unauthenticated
    principal = await sessions.authenticate(token)
    request.state.user_id, request.state.credential_id = principal.id, principal.session_id
    return policy.require_admin(principal)


Operator = Annotated[User, Depends(get_operator)]
