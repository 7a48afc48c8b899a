"""One rule for what an e-mail address is, and for which addresses are the same."""

from email_validator import EmailNotValidError, validate_email

from app.core.text import refuse_control

# RFC 5321, 4.5.3.1: 64 octets before the @-sign and 255 after it.
MAX_LENGTH = 320


def normalize_email(address: str) -> str:
    """Return the address trimmed, in NFC, with its domain in lower case. Raises ValueError; asks no DNS."""
    if len(address) > MAX_LENGTH:
        raise ValueError("not a valid e-mail address")
    try:
        return validate_email(refuse_control(address).strip(), check_deliverability=False, strict=True).normalized
    except (EmailNotValidError, UnicodeError) as error:
        # The validator's own words repeat parts of the address, which would end in answers and logs.
        raise ValueError("The value must be an e-mail address.") from error


def account_name(address: str) -> str:
    """Return what an account is looked up by; an address that no account can have stays what it is."""
    try:
        return normalize_email(address)
    except ValueError:
        return address
