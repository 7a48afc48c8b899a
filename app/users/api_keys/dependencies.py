"""Builds the service and the repositories of API keys for the endpoints."""

from typing import Annotated

from fastapi import Depends

from app.http.dependencies import ContainerDep, ReaderDep, SessionDep
from app.users.api_keys.repository import ApiKeyRepository
from app.users.api_keys.service import ApiKeys
from app.users.dependencies import ReauthenticationDep


async def get_api_keys(container: ContainerDep, reauthentication: ReauthenticationDep) -> ApiKeys:
    return ApiKeys(container.database, reauthentication, container.settings.max_api_keys_per_user)


async def get_api_keys_repository(session: SessionDep) -> ApiKeyRepository:
    return ApiKeyRepository(session)


async def get_api_keys_reader(session: ReaderDep) -> ApiKeyRepository:
    return ApiKeyRepository(session)


ApiKeysDep = Annotated[ApiKeys, Depends(get_api_keys)]
ApiKeysRepo = Annotated[ApiKeyRepository, Depends(get_api_keys_repository)]
ApiKeysReader = Annotated[ApiKeyRepository, Depends(get_api_keys_reader)]
