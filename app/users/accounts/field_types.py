"""Types of e-mail addresses and passwords in requests."""

from typing import Annotated

from pydantic import AfterValidator, Field

from app.core.text.normalization import refuse_control
from app.users.accounts import password_policy
from app.users.accounts.email import MAX_LENGTH as MAX_EMAIL_LENGTH
from app.users.accounts.email import normalize_email

Email = Annotated[
    str,
    Field(max_length=MAX_EMAIL_LENGTH, examples=["ada@example.com"], json_schema_extra={"format": "email"}),
    AfterValidator(normalize_email),
]
_PASSWORD = Field(
    min_length=password_policy.MIN_LENGTH,
    max_length=password_policy.MAX_LENGTH,
    examples=["correct horse battery staple"],
    json_schema_extra={"format": "password"},
)
NewPassword = Annotated[str, _PASSWORD, AfterValidator(password_policy.check_new_password)]
CurrentPassword = Annotated[
    str,
    Field(max_length=password_policy.MAX_LENGTH, json_schema_extra={"format": "password"}),
    AfterValidator(refuse_control),
]
