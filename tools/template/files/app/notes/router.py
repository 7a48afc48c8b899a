"""Endpoints to create, read, list and delete notes."""

import uuid

from fastapi import Request, Response

from app.core.errors import TooManyRequests
from app.http.links import public_path
from app.http.paging import PagingDep
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.http.requests.strict_route import StrictRoute
from app.notes.dependencies import NewNotesDep, NotesReader, NotesRepo
from app.notes.errors import NoteExists, NoteNotFound
from app.notes.schemas import NoteCreate, NotePage, NoteRead

router = PrefixRouter(prefix="/notes", tags=["notes"], route_class=StrictRoute)


@router.post("", status_code=201, summary="Create a note", responses=problems(NoteExists, TooManyRequests))
async def create_note(body: NoteCreate, notes: NewNotesDep, request: Request, response: Response) -> NoteRead:
    """Store a note with a title of its own."""
    note = await notes.create(body.title, body.text, request.client and request.client.host)
    response.headers["Location"] = public_path(request, f"/v1/notes/{note.id}")
    return NoteRead.model_validate(note)


@router.get("", summary="List the notes")
async def list_notes(notes: NotesReader, paging: PagingDep) -> NotePage:
    """Return a page of the notes, newest first."""
    rows, next_cursor = paging.page(await notes.list_newest(paging.after("notes"), paging.fetch_limit), "notes")
    return NotePage(items=[NoteRead.model_validate(row) for row in rows], next_cursor=next_cursor)


@router.get("/{note_id}", summary="Get a note", responses=problems(NoteNotFound))
async def read_note(note_id: uuid.UUID, notes: NotesReader) -> NoteRead:
    """Return a note."""
    return NoteRead.model_validate(await notes.get(note_id))


@router.delete("/{note_id}", status_code=204, summary="Delete a note", responses=problems(NoteNotFound))
async def delete_note(note_id: uuid.UUID, notes: NotesRepo) -> None:
    """Delete a note."""
    await notes.remove(note_id)
