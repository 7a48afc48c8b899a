"""One rule for what an e-mail address is, so that an account has one spelling."""

from email_validator import EmailNotValidError, validate_email

MAX_LENGTH = 320


def normalize_email(address: str) -> str:
    """Return the address trimmed, in NFC, with its domain in lower case. Raises ValueError; asks no DNS."""
    try:
        return validate_email(address.strip(), check_deliverability=False, strict=True).normalized
    except (EmailNotValidError, UnicodeError) as error:
        # The validator's own words repeat parts of the address, which would end in answers and logs.
        raise ValueError("The value must be an e-mail address.") from error


def account_name(address: str) -> str:
    """Return what an account is looked up by; an address that no account can have stays what it is."""
    try:
        return normalize_email(address)
    except ValueError:
        return address
