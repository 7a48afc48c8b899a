"""Builds the services and the repository of accounts for the endpoints."""

from typing import Annotated

from fastapi import Depends

from app.http.dependencies import ContainerDep, ReaderDep
from app.users.accounts.repository import UserRepository
from app.users.accounts.service import Accounts, SignUp
from app.users.dependencies import ReauthenticationDep, SignUpAuditLogDep


async def get_sign_up(container: ContainerDep, audit: SignUpAuditLogDep) -> SignUp:
    settings = container.settings
    return SignUp(
        container.database,
        container.limits,
        settings.sign_up_limits,
        container.passwords,
        audit,
        mode=settings.sign_up,
    )


async def get_accounts(container: ContainerDep, reauthentication: ReauthenticationDep) -> Accounts:
    return Accounts(container.database, container.passwords, reauthentication)


async def get_users_reader(session: ReaderDep) -> UserRepository:
    return UserRepository(session)


SignUpDep = Annotated[SignUp, Depends(get_sign_up)]
AccountsDep = Annotated[Accounts, Depends(get_accounts)]
UsersReader = Annotated[UserRepository, Depends(get_users_reader)]
