"""Builds the administration services for the endpoints."""

from typing import Annotated

from fastapi import Depends

from app.administration.closing import Closing
from app.administration.invitations import Invitations
from app.administration.service import Administration
from app.http.dependencies import ContainerDep, ReaderDep, SessionDep
from app.users.invitation_repository import InvitationRepository


async def get_administration(container: ContainerDep) -> Administration:
    """Return the service for the accounts of others."""
    return Administration(container)


async def get_closing(container: ContainerDep) -> Closing:
    """Return the service that deletes accounts."""
    return Closing(container)


async def get_invitations(container: ContainerDep) -> Invitations:
    """Return the service of invitations."""
    return Invitations(container.database)


async def get_invitations_repository(session: SessionDep) -> InvitationRepository:
    """Return the repository of invitations on the request's unit of work."""
    return InvitationRepository(session)


async def get_invitations_reader(session: ReaderDep) -> InvitationRepository:
    """Return the repository of invitations for a request that only reads."""
    return InvitationRepository(session)


AdministrationDep = Annotated[Administration, Depends(get_administration)]
ClosingDep = Annotated[Closing, Depends(get_closing)]
InvitationsDep = Annotated[Invitations, Depends(get_invitations)]
InvitationsRepo = Annotated[InvitationRepository, Depends(get_invitations_repository)]
InvitationsReader = Annotated[InvitationRepository, Depends(get_invitations_reader)]
