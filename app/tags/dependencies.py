from typing import Annotated

from fastapi import Depends

from app.http.dependencies import ReaderDep, SessionDep
from app.tags.repository import TagRepository


def get_tags_repository(session: SessionDep) -> TagRepository:
    """Return the repository on the request's unit of work."""
    return TagRepository(session)


def get_tags_reader(session: ReaderDep) -> TagRepository:
    """Return the repository for a request that only reads."""
    return TagRepository(session)


TagsRepo = Annotated[TagRepository, Depends(get_tags_repository)]
TagsReader = Annotated[TagRepository, Depends(get_tags_reader)]
