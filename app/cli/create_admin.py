import asyncio
import secrets
from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import DataDir, load_settings
from app.core.errors import DatabaseUnavailable
from app.core.passwords import PasswordHasher
from app.core.settings import Settings
from app.db.session import Database
from app.users.email import normalize_email
from app.users.repository import UserRepository


def create_admin(
    email: Annotated[str, typer.Argument(help="The account's address.")], data_dir: DataDir = Path(".imts")
) -> None:
    """Make an account an admin; one that does not exist is made, and its password printed once."""
    try:
        address = normalize_email(email)
    except ValueError as error:
        typer.echo(f"{email}: {error}", err=True)
        raise typer.Exit(2) from error
    settings = load_settings(data_dir, needs=("DATABASE_URL",))
    try:
        password = asyncio.run(_create_admin(settings, address))
    except DatabaseUnavailable as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if password is None:
        typer.echo(f"The existing account {address} is an admin now. Whoever knows its password is one.")
    else:
        typer.echo(f"Made the admin {address} with the password {password}")


async def _create_admin(settings: Settings, email: str) -> str | None:
    """Return the new account's password, None when the account was there."""
    password = secrets.token_urlsafe(18)
    password_hash = await PasswordHasher().hash(password)
    database = Database(settings)
    try:
        async with database.unit_of_work() as session:
            users = UserRepository(session)
            known = await users.find_by_email(email)
            user = known or await users.add(email, password_hash)
            user.is_admin = True
    finally:
        await database.close()
    return None if known else password
