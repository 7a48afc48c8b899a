"""The errors of notes."""

from app.core.errors import Conflict, NotFound


class NoteNotFound(NotFound):
    slug, title = "note-not-found", "Note not found"
    description = "There is no note with this id."


class NoteExists(Conflict):
    slug, title = "note-exists", "Note exists"
    description = "There is a note with this title."
    constraints = ("uq_notes_title",)
