"""Builds the service and the repositories of notes for the endpoints."""

from typing import Annotated

from fastapi import Depends

from app.http.dependencies import ContainerDep, ReaderDep, SessionDep
from app.notes.repository import NoteRepository
from app.notes.service import NewNotes


async def get_note_repository(session: SessionDep) -> NoteRepository:
    return NoteRepository(session)


async def get_note_reader(session: ReaderDep) -> NoteRepository:
    return NoteRepository(session)


NotesRepo = Annotated[NoteRepository, Depends(get_note_repository)]
NotesReader = Annotated[NoteRepository, Depends(get_note_reader)]


async def get_new_notes(container: ContainerDep, notes: NotesRepo) -> NewNotes:
    return NewNotes(notes, container.limits, container.settings.new_note_limits)


NewNotesDep = Annotated[NewNotes, Depends(get_new_notes)]
