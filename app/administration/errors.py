"""Errors of account administration."""

from app.core.errors import Conflict


class TooManyInvitations(Conflict):
    slug, title = "too-many-invitations", "Too many invitations"
    description = "The admin has too many unused invitations."


class LastAdmin(Conflict):
    slug, title = "last-admin", "Last admin"
    description = "This is the last enabled admin account."
