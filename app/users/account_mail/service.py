"""Password resets and e-mail verification by mail.

Whether an address belongs to an account is looked up after the response, in the background: the response is the same,
and after the same work, for every address. A mail goes only to the address that the account has, and its link leads
only to `PUBLIC_URL`.
"""

import uuid

from app.core.passwords import PasswordHasher
from app.core.rate_limit import RateLimitSettings
from app.core.security import new_opaque_token
from app.db.database import Database
from app.mail.outbox import Outbox
from app.models import LinkPurpose, User
from app.ratelimit.policies import mail_charges
from app.ratelimit.rate_limiter import RateLimiter
from app.users.account_mail.repository import MailedLinkRepository
from app.users.accounts.email import account_name
from app.users.accounts.password_policy import refuse_address_as_password
from app.users.accounts.repository import UserRepository
from app.users.errors import InvalidLink
from app.users.revocation import revoke_credentials
from app.users.social.repository import IdentityRepository

_RESET = """\
Someone, probably you, asked {site} for a new password of the account {email}.

Choose it here within one hour:
{link}

The link works once. If you did not ask for it, ignore this mail: your password stays the same.
"""
_VERIFICATION = """\
The account {email} at {site} asked for a confirmation of this address.

Confirm it here within one hour:
{link}

The link works once. If this account is not yours, do not open the link.
"""


class LinkMailer:
    """Mails links to account owners, at most one mail for each request."""

    def __init__(
        self, database: Database, rate_limiter: RateLimiter, mail_limits: RateLimitSettings, outbox: Outbox, site: str
    ) -> None:
        self._database, self._outbox, self._site = database, outbox, site
        self._rate_limiter, self._mail_limits = rate_limiter, mail_limits

    async def request_reset(self, email: str, address: str | None) -> None:
        """Mail a link to the account of this address, if there is one.

        Raises MailNotConfigured, MailBusy, TooManyRequests; the same for every address.
        """
        self._outbox.require_configured()
        name = account_name(email)
        await self._rate_limiter.charge(mail_charges(self._mail_limits, name, address))
        self._outbox.submit(lambda: self._mail_reset(name))

    async def request_verification(self, user: User, address: str | None) -> None:
        """Mail a link to the account's address. Raises MailNotConfigured, MailBusy, TooManyRequests."""
        self._outbox.require_configured()
        await self._rate_limiter.charge(mail_charges(self._mail_limits, account_name(user.email), address))
        self._outbox.submit(lambda: self._mail_verification(user.id))

    async def _mail_reset(self, email: str) -> None:
        async with self._database.unit_of_work() as session:
            user = await UserRepository(session).find_by_email(email)
            if user is None or user.disabled:
                return
            token = new_opaque_token()
            await MailedLinkRepository(session).add(token, user, LinkPurpose.PASSWORD_RESET)
        await self._send(user.email, "Reset your password", _RESET, f"reset-password?token={token}")

    async def _mail_verification(self, user_id: uuid.UUID) -> None:
        async with self._database.unit_of_work() as session:
            user = await session.get(User, user_id)
            if user is None or user.disabled or user.email_verified:
                return
            token = new_opaque_token()
            await MailedLinkRepository(session).add(token, user, LinkPurpose.EMAIL_VERIFICATION)
        await self._send(user.email, "Confirm your e-mail address", _VERIFICATION, f"verify-email?token={token}")

    async def _send(self, email: str, subject: str, text: str, path: str) -> None:
        body = text.format(email=email, site=self._site, link=f"{self._site}/{path}")
        await self._outbox.send(email, subject, body)


class LinkRedemption:
    """Performs the action of a mailed link, once."""

    def __init__(self, database: Database, passwords: PasswordHasher) -> None:
        self._database, self._passwords = database, passwords

    async def reset_password(self, token: str, password: str) -> None:
        """Set a new password, and revoke all credentials of the account. Raises InvalidLink, ValidationFailed.

        The link proves the address. Before, another person may have signed up with it. Linked identities are therefore
        unlinked.
        """
        async with self._database.read_session() as session:
            found = await MailedLinkRepository(session).find_user(token, LinkPurpose.PASSWORD_RESET)
        if found is None:
            raise InvalidLink
        refuse_address_as_password(found.email, password)
        # Hashed only for a valid link, and without a database connection.
        password_hash = await self._passwords.hash(password)
        async with self._database.unit_of_work() as session:
            user = await MailedLinkRepository(session).remove_valid(token, LinkPurpose.PASSWORD_RESET)
            if user is None:
                raise InvalidLink
            if not user.email_verified:
                await IdentityRepository(session).remove_all(user.id)
            user.password, user.email_verified = password_hash, True
            await session.flush()
            await revoke_credentials(session, user.id)

    async def verify_email(self, token: str) -> None:
        """Mark the account's address as verified. Raises InvalidLink."""
        async with self._database.unit_of_work() as session:
            user = await MailedLinkRepository(session).remove_valid(token, LinkPurpose.EMAIL_VERIFICATION)
            if user is None:
                raise InvalidLink
            user.email_verified = True
