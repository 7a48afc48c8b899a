"""Errors of accounts and their credentials."""

from app.core.errors import BadRequest


class InvalidTokenRequest(BadRequest):
    """RFC 6749, 5.2: a parameter of the token request is missing, repeated or malformed."""

    slug, title = "invalid-request", "Invalid token request"
    description = "A parameter of the token request is missing, repeated or malformed."


class UnsupportedGrantType(BadRequest):
    slug, title = "unsupported-grant-type", "Unsupported grant type"
    description = "The grant type is not supported."


class InvalidLink(BadRequest):
    slug, title = "invalid-link", "Invalid link"
    description = "The link is invalid, has expired or was already used."
