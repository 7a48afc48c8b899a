"""Password policy: 8 to 1024 characters in NFC, and none of the most common passwords."""

from functools import cache
from importlib.resources import files

from app.core.errors import ValidationFailed
from app.core.passwords import normalize
from app.core.text.email_addresses import email_key
from app.core.text.normalization import refuse_control

MIN_LENGTH = 8
MAX_LENGTH = 1024


def check_new_password(password: str) -> str:
    """Return the password in NFC. Raises ValueError, whose message does not repeat it."""
    if len(password) > MAX_LENGTH:
        raise ValueError(f"The password must have at most {MAX_LENGTH} characters.")
    password = normalize(refuse_control(password))
    if len(password) < MIN_LENGTH:
        raise ValueError(f"The password must have at least {MIN_LENGTH} characters.")
    if password.casefold() in common_passwords():
        raise ValueError("The password is too common.")
    return password


def check_differs_from_address(password: str, email: str) -> None:
    """Raise ValueError when the password is the account's e-mail address or its local part, in any case."""
    account = email_key(email)
    # As an address it is folded by the same rule; `x@` has the local part `x`.
    if email_key(password) == account or email_key(f"{password}@").removesuffix("@") == account.rpartition("@")[0]:
        raise ValueError("The password must differ from the e-mail address and from the part before its @.")


def refuse_address_as_password(email: str, password: str, field: str = "password") -> None:
    """Raise ValidationFailed, for this field of the body, where `check_differs_from_address` raises."""
    try:
        check_differs_from_address(password, email)
    except ValueError as error:
        raise ValidationFailed.at(["body", field], str(error)) from error


@cache
def common_passwords() -> frozenset[str]:
    """Return the list of `common_passwords.txt`, case-folded."""
    text = files("app.users.accounts").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))
