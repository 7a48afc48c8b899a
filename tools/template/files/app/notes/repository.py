"""SQL of the notes."""

import uuid
from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.keyset import Position, newest_first
from app.models import Note
from app.notes.errors import NoteNotFound


class NoteRepository:
    """All SQL about notes."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, title: str, text: str) -> Note:
        """Insert a note. Raises NoteExists."""
        note = Note(title=title, text=text)
        self._session.add(note)
        await self._session.flush()
        await self._session.refresh(note)
        return note

    async def get(self, note_id: uuid.UUID) -> Note:
        """Return a note. Raises NoteNotFound."""
        note = await self._session.get(Note, note_id)
        if note is None:
            raise NoteNotFound
        return note

    async def list_newest(self, after: Position | None, limit: int) -> Sequence[Note]:
        """Return up to `limit` notes after the position, newest first."""
        return (await self._session.scalars(newest_first(select(Note), Note, after, limit))).all()

    async def remove(self, note_id: uuid.UUID) -> None:
        """Delete a note. Raises NoteNotFound."""
        removed = delete(Note).where(Note.id == note_id).returning(Note.id)
        if await self._session.scalar(removed) is None:
            raise NoteNotFound
