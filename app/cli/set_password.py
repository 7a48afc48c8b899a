"""`set-password`: set the password of an account."""

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
from app.users.errors import UserNotFound
from app.users.revocation import revoke_credentials


def set_password(email: Email, data_dir: DataDir = Path(".imts")) -> None:
    """Replace the password of an account, and end its sessions and API keys.

    In a terminal, asks twice for the password; otherwise reads one line from standard input.
    """
    address = read_email(email)
    password_hash = hash_password(read_new_password(address))

    async def replace(session: AsyncSession, audit: AuditLog) -> None:
        user = await UserRepository(session).find_by_email_for_change(address)
        if user is None:
            raise UserNotFound(f"There is no account with the address {address}.")
        user.password = password_hash
        await revoke_credentials(session, user.id)
        await audit.write(session, AuditAction.ACCOUNT_SET_PASSWORD, user_path(user.id))

    run_unit_of_work(data_dir, replace)
    typer.echo(f"Set the password of {address}. Its sessions and API keys have ended.")
