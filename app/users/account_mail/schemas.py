"""Request bodies of mailed links."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.core.text.normalization import Text
from app.users.accounts.field_types import Email, NewPassword

LinkToken = Annotated[Text, Field(min_length=1, max_length=128, examples=["q8Xv…"])]


class PasswordResetRequest(BaseModel):
    """The account whose password is reset."""

    model_config = ConfigDict(extra="forbid")

    email: Email


class PasswordReset(BaseModel):
    """The token of a mailed link, and the new password."""

    model_config = ConfigDict(extra="forbid")

    token: LinkToken
    password: NewPassword


class EmailVerification(BaseModel):
    """The token of a mailed link."""

    model_config = ConfigDict(extra="forbid")

    token: LinkToken
