"""Endpoints that mail links: address verification and password reset."""

from app.core.errors import TooManyRequests
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.mail.errors import MailBusy, MailNotConfigured
from app.users.account_mail.dependencies import LinkMailerDep, LinkRedemptionDep
from app.users.account_mail.schemas import EmailVerification, PasswordReset, PasswordResetRequest
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import CurrentUser, DeviceDep
from app.users.errors import InvalidLink

router = PrefixRouter(tags=["auth"], route_class=AuthenticatedRoute)


@router.post(
    "/auth/password-reset",
    status_code=202,
    summary="Request a password reset",
    responses=problems(MailNotConfigured, MailBusy, TooManyRequests),
)
async def request_password_reset(body: PasswordResetRequest, mailer: LinkMailerDep, device: DeviceDep) -> None:
    """Mail a link to the account with this address, if it exists. The response is the same for every address."""
    await mailer.request_reset(body.email, device.address)


@router.post(
    "/auth/password-reset/confirm",
    status_code=204,
    summary="Reset a password",
    responses=problems(InvalidLink),
)
async def reset_password(body: PasswordReset, links: LinkRedemptionDep) -> None:
    """Set a new password with the token of a mailed link. This ends all sessions and API keys of the account."""
    await links.reset_password(body.token, body.password)


@router.post(
    "/users/me/email-verification",
    status_code=202,
    summary="Request a verification of your e-mail address",
    responses=problems(MailNotConfigured, MailBusy, TooManyRequests),
)
async def request_email_verification(user: CurrentUser, mailer: LinkMailerDep, device: DeviceDep) -> None:
    """Mail a link to the account's address. No mail is sent if the address is already verified."""
    await mailer.request_verification(user, device.address)


@router.post(
    "/auth/email-verification/confirm",
    status_code=204,
    summary="Verify an e-mail address",
    responses=problems(InvalidLink),
)
async def verify_email(body: EmailVerification, links: LinkRedemptionDep) -> None:
    """Verify an e-mail address with the token of a mailed link."""
    await links.verify_email(body.token)
