"""`create-admin`: create an admin account, or promote an existing one."""

import asyncio
import secrets
from pathlib import Path
from typing import Annotated

import typer

from app.cli.accounts import audited_unit_of_work
from app.cli.options import DataDir, Email, load_settings
from app.cli.password_prompt import read_new_password
from app.core.errors import AppError
from app.core.passwords import PasswordHasher
from app.core.resource_paths import user_path
from app.core.settings import Settings
from app.models import AuditAction, User
from app.users.accounts.email import normalize_email
from app.users.accounts.repository import UserRepository
from app.users.revocation import change_role, revoke_credentials
from app.users.social.repository import IdentityRepository


def create_admin(
    email: Email,
    existing: Annotated[
        bool,
        typer.Option(
            "--existing",
            help="Promote an existing account, end its sessions and API keys, and ask for a new password.",
        ),
    ] = False,
    data_dir: DataDir = Path(".imts"),
) -> None:
    """Create an admin account and print its password, or promote an account with --existing."""
    try:
        address = normalize_email(email)
    except ValueError as error:
        typer.echo(f"{email}: {error}", err=True)
        raise typer.Exit(2) from error
    settings = load_settings(data_dir, needs=("DATABASE_URL",))
    try:
        typer.echo(_create_or_promote(settings, address, existing=existing))
    except AppError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _create_or_promote(settings: Settings, email: str, *, existing: bool) -> str:
    """Return the line to print."""
    known = asyncio.run(_find(settings, email))
    if known is None:
        password = secrets.token_urlsafe(18)
        asyncio.run(_create(settings, email, password))
        return f"Created the admin {email} with the password {password}"
    if known.is_admin:
        return f"The account {email} is already an admin. Nothing was changed."
    if not existing:
        # Sign-up does not verify addresses, so the account may belong to another person.
        typer.echo(
            f"The account {email} already exists. It may belong to another person, as sign-up verifies no address. "
            "To promote it, run the command again with --existing.",
            err=True,
        )
        raise typer.Exit(1)
    return _promoted(settings, email)


def _promoted(settings: Settings, email: str) -> str:
    new_password = read_new_password(email, "New password (empty: keep the current one)", optional=True)
    providers = asyncio.run(_promote(settings, email, new_password))
    done = f"The account {email} is now an admin. Its sessions and API keys have ended."
    if new_password is not None:
        return f"{done} It has the new password, and its identities were unlinked."
    linked = f" or controls its identity at {', '.join(providers)}" if providers else ""
    return f"{done} Every person who knows its current password{linked} is an admin."


async def _find(settings: Settings, email: str) -> User | None:
    async with audited_unit_of_work(settings) as (session, _audit):
        return await UserRepository(session).find_by_email(email)


async def _create(settings: Settings, email: str, password: str) -> None:
    password_hash = await PasswordHasher().hash(password)
    async with audited_unit_of_work(settings) as (session, audit):
        user = await UserRepository(session).add(email, password_hash)
        user.is_admin = True
        await audit.write(session, AuditAction.ACCOUNT_CREATE, user_path(user.id), after={"is_admin": True})


async def _promote(settings: Settings, email: str, new_password: str | None) -> list[str]:
    """Promote the account and return the names of its identity providers.

    Its credentials end, because another person may have created them. A new password also unlinks its identities.
    """
    password_hash = await PasswordHasher().hash(new_password) if new_password else None
    async with audited_unit_of_work(settings) as (session, audit):
        users = UserRepository(session)
        found = await users.find_by_email(email)
        if found is None:
            raise AppError(f"The account {email} was deleted by another process")
        user = await users.get_for_change(found.id)
        await change_role(session, user, is_admin=True)
        await revoke_credentials(session, user.id)
        target = user_path(user.id)
        await audit.write(
            session, AuditAction.ACCOUNT_PROMOTE, target, before={"is_admin": False}, after={"is_admin": True}
        )
        if password_hash is not None:
            await audit.write(session, AuditAction.ACCOUNT_SET_PASSWORD, target)
            user.password = password_hash
            await IdentityRepository(session).remove_all(user.id)
            # Otherwise the next social login with this verified address would link the identity again.
            user.email_verified = False
        return (await users.list_providers([user.id]))[user.id]
