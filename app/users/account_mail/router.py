"""Endpoints that mail links: address verification and password reset."""

from typing import Annotated

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field

from app.core.errors import TooManyRequests
from app.core.text.normalization import Text
from app.http.dependencies import ContainerDep
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.mail.errors import MailBusy, MailNotConfigured
from app.users.account_mail.service import AccountMail
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import CurrentUser, DeviceDep
from app.users.errors import InvalidLink
from app.users.schemas import Email, NewPassword

router = PrefixRouter(tags=["auth"], route_class=AuthenticatedRoute)

LinkToken = Annotated[Text, Field(min_length=1, max_length=128, examples=["q8Xv…"])]


class PasswordResetRequest(BaseModel):
    """The account whose password is reset."""

    model_config = ConfigDict(extra="forbid")

    email: Email


class PasswordReset(BaseModel):
    """The token of a mailed link, and the new password."""

    model_config = ConfigDict(extra="forbid")

    token: LinkToken
    password: NewPassword


class EmailVerification(BaseModel):
    """The token of a mailed link."""

    model_config = ConfigDict(extra="forbid")

    token: LinkToken


async def get_account_mail(container: ContainerDep) -> AccountMail:
    """Return the service of mailed links."""
    return AccountMail(container)


AccountMailDep = Annotated[AccountMail, Depends(get_account_mail)]


@router.post(
    "/auth/password-reset",
    status_code=202,
    summary="Request a password reset",
    responses=problems(MailNotConfigured, MailBusy, TooManyRequests),
)
async def request_password_reset(body: PasswordResetRequest, mail: AccountMailDep, device: DeviceDep) -> None:
    """Mail a link to the account with this address, if it exists. The response is the same for every address."""
    await mail.request_reset(body.email, device.address)


@router.post(
    "/auth/password-reset/confirm",
    status_code=204,
    summary="Reset a password",
    responses=problems(InvalidLink),
)
async def reset_password(body: PasswordReset, mail: AccountMailDep) -> None:
    """Set a new password with the token of a mailed link. This ends all sessions and API keys of the account."""
    await mail.reset(body.token, body.password)


@router.post(
    "/users/me/email-verification",
    status_code=202,
    summary="Request a verification of your e-mail address",
    responses=problems(MailNotConfigured, MailBusy, TooManyRequests),
)
async def request_email_verification(user: CurrentUser, mail: AccountMailDep, device: DeviceDep) -> None:
    """Mail a link to the account's address. No mail is sent if the address is already verified."""
    await mail.request_verification(user, device.address)


@router.post(
    "/auth/email-verification/confirm",
    status_code=204,
    summary="Verify an e-mail address",
    responses=problems(InvalidLink),
)
async def verify_email(body: EmailVerification, mail: AccountMailDep) -> None:
    """Verify an e-mail address with the token of a mailed link."""
    await mail.verify(body.token)
