"""Builds the administration services for the endpoints."""

from typing import Annotated

from fastapi import Depends

from app.administration.account_deletion import AccountDeletion
from app.administration.invitations import Invitations
from app.administration.service import Administration
from app.http.dependencies import ContainerDep, ReaderDep
from app.users.dependencies import AuditLogDep
from app.users.invitation_repository import InvitationRepository


async def get_administration(container: ContainerDep, audit: AuditLogDep) -> Administration:
    return Administration(container.database, container.passwords, audit)


async def get_account_deletion(container: ContainerDep, audit: AuditLogDep) -> AccountDeletion:
    return AccountDeletion(container.database, container.object_store, audit)


async def get_invitations(container: ContainerDep, audit: AuditLogDep) -> Invitations:
    return Invitations(container.database, audit)


async def get_invitations_reader(session: ReaderDep) -> InvitationRepository:
    return InvitationRepository(session)


AdministrationDep = Annotated[Administration, Depends(get_administration)]
AccountDeletionDep = Annotated[AccountDeletion, Depends(get_account_deletion)]
InvitationsDep = Annotated[Invitations, Depends(get_invitations)]
InvitationsReader = Annotated[InvitationRepository, Depends(get_invitations_reader)]
