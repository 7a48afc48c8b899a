"""One rule for what an e-mail address is, so that an account has one spelling."""

from email_validator import EmailNotValidError, validate_email


def normalize_email(address: str) -> str:
    """Return the address trimmed, in NFC, with its domain in lower case. Raises ValueError; asks no DNS."""
    try:
        return validate_email(address.strip(), check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise ValueError(str(error)) from error
