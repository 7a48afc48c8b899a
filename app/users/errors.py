"""Errors of accounts, sessions, API keys, identities and invitations."""

from app.core.errors import BadRequest, Conflict, Forbidden, NotFound, Unauthenticated, Unavailable


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


class InvalidCredentials(Unauthenticated):
    slug, title = "invalid-credentials", "Invalid credentials"
    description = "The e-mail address or the password is wrong."


class WrongPassword(Forbidden):
    slug, title = "wrong-password", "Wrong password"
    description = "The current password is wrong."


class RecentSignInRequired(Forbidden):
    slug, title = "recent-sign-in-required", "Recent sign-in required"
    description = "The operation needs a sign-in within the last ten minutes."


class SignUpClosed(Forbidden):
    slug, title = "sign-up-closed", "Sign-up closed"
    description = "Sign-up is closed or needs an invitation."


class IdentityProviderNotFound(NotFound):
    slug, title = "identity-provider-not-found", "Identity provider not found"
    description = "No identity provider with this name is configured."


class IdentityNotFound(NotFound):
    slug, title = "identity-not-found", "Identity not found"
    description = "The account has no identity at this provider."


class UserNotFound(NotFound):
    slug, title = "user-not-found", "Account not found"
    description = "There is no account with this id."


class InvitationNotFound(NotFound):
    slug, title = "invitation-not-found", "Invitation not found"
    description = "There is no invitation with this id."


class SessionNotFound(NotFound):
    slug, title = "session-not-found", "Session not found"
    description = "The account has no session with this id."


class ApiKeyNotFound(NotFound):
    slug, title = "api-key-not-found", "API key not found"
    description = "The account has no API key with this id."


class TooManyApiKeys(Conflict):
    slug, title = "too-many-api-keys", "Too many API keys"
    description = "The account has too many API keys."


class LastSignInMethod(Conflict):
    slug, title = "last-sign-in-method", "Last sign-in method"
    description = "This is the only sign-in method of the account."


class IdentityProviderUnavailable(Unavailable):
    slug, title = "identity-provider-unavailable", "Identity provider unavailable"
    description = "The identity provider does not respond."


class SocialLoginFailed(BadRequest):
    slug, title = "social-login-failed", "Social login failed"
    description = "The social login was refused, has expired or is invalid."
    constraints = ("uq_users_token",)


class EmailTaken(Conflict):
    slug, title = "email-taken", "E-mail address taken"
    description = "An account with this e-mail address already exists."
    constraints = ("uq_users_email", "ix_users_email_key")


class IdentityTaken(Conflict):
    slug, title = "identity-taken", "Identity taken"
    description = "The identity is already linked to an account."
    constraints = ("pk_social_identities",)
