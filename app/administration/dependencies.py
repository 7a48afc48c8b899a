from typing import Annotated

from fastapi import Depends

from app.administration.closing import Closing
from app.administration.service import Administration
from app.http.dependencies import ServicesDep


async def get_administration(services: ServicesDep) -> Administration:
    """Return the service for the accounts of others."""
    return Administration(services)


async def get_closing(services: ServicesDep) -> Closing:
    """Return the service that deletes accounts."""
    return Closing(services)


AdministrationDep = Annotated[Administration, Depends(get_administration)]
ClosingDep = Annotated[Closing, Depends(get_closing)]
