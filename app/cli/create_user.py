"""`create-user`: create an account with a password."""

from pathlib import Path

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.audit_log import AuditLog
from app.cli.accounts import hash_password, read_email, run_unit_of_work
from app.cli.options import DataDir, Email
from app.cli.password_prompt import read_new_password
from app.core.resource_paths import user_path
from app.models import AuditAction
from app.users.accounts.repository import UserRepository


def create_user(email: Email, data_dir: DataDir = Path(".imts")) -> None:
    """Create an account, even if sign-up is closed.

    In a terminal, asks twice for the password; otherwise reads one line from standard input.
    """
    address = read_email(email)
    password_hash = hash_password(read_new_password(address))

    async def add(session: AsyncSession, audit: AuditLog) -> None:
        user = await UserRepository(session).add(address, password_hash)
        await audit.write(session, AuditAction.ACCOUNT_CREATE, user_path(user.id), after={"is_admin": False})

    run_unit_of_work(data_dir, add)
    typer.echo(f"Created the account {address}.")
