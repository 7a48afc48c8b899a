"""Shared functions of the account commands."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.audit_log import AuditLog
from app.audit.command_audit import command_audit_log
from app.cli.options import load_settings
from app.core.errors import AppError
from app.core.passwords import PasswordHasher
from app.core.settings import Settings
from app.db.database import Database
from app.users.accounts.email import normalize_email


def read_email(text: str) -> str:
    """Return the normalized address. Exits with code 2 if it is not valid."""
    try:
        return normalize_email(text)
    except ValueError as error:
        typer.echo(f"{text}: {error}", err=True)
        raise typer.Exit(2) from error


def hash_password(password: str) -> str:
    return asyncio.run(PasswordHasher().hash(password))


def run_unit_of_work(data_dir: Path, work: Callable[[AsyncSession, AuditLog], Awaitable[None]]) -> None:
    """Run `work` in one transaction. Exits with code 1 and one line if it raises an AppError."""
    settings = load_settings(data_dir, needs=("DATABASE_URL",))
    try:
        asyncio.run(_run(settings, work))
    except AppError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


async def _run(settings: Settings, work: Callable[[AsyncSession, AuditLog], Awaitable[None]]) -> None:
    async with audited_unit_of_work(settings) as (session, audit):
        await work(session, audit)


@asynccontextmanager
async def audited_unit_of_work(settings: Settings) -> AsyncIterator[tuple[AsyncSession, AuditLog]]:
    """Yield a unit of work and the audit log of the command."""
    database = Database(settings)
    try:
        async with command_audit_log(settings) as audit, database.unit_of_work() as session:
            yield session, audit
    finally:
        await database.close()
