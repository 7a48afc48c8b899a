"""Validates and normalizes e-mail addresses."""

import email_validator
from email_validator import EmailNotValidError, validate_email

from app.core.text.email_addresses import email_key
from app.core.text.normalization import refuse_control

# RFC 5321, 4.5.3.1: 64 octets before the @-sign and 255 after it.
MAX_LENGTH = 320
# The validator always refuses names of local networks (`nas.local`, `home.arpa`). Its documentation recommends to empty
# this list of its module.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


def normalize_email(address: str) -> str:
    """Return the address trimmed, in NFC, with its domain in lower case. Raises ValueError.

    The syntax decides alone (RFC 5321, 5322, 6531): no DNS query is sent, and a domain without a dot is valid.
    """
    # First: what follows takes more than linear time.
    if len(address) > MAX_LENGTH:
        raise ValueError("The value must be an e-mail address.")
    try:
        return validate_email(
            refuse_control(address).strip(),
            allow_quoted_local=True,
            allow_domain_literal=True,
            globally_deliverable=False,
            check_deliverability=False,
            strict=True,
        ).normalized
    except (EmailNotValidError, UnicodeError) as error:
        # The validator's own words repeat parts of the address, which would end in responses and logs.
        raise ValueError("The value must be an e-mail address.") from error


def account_name(address: str) -> str:
    """Return the form by which an account is found and its attempts are counted, also of an invalid address."""
    try:
        return email_key(normalize_email(address))
    except ValueError:
        return address[:MAX_LENGTH].casefold()
