"""Which e-mail addresses are the same."""

import re
import unicodedata

from app.core.text.normalization import DEFAULT_IGNORABLE_CLASS

# No address is as long, not even decomposed; normalization takes quadratic time in a run of combining marks.
_MAX_LENGTH = 4 * 320
_INVISIBLE = re.compile(f"[{DEFAULT_IGNORABLE_CLASS}]")


def is_same_mailbox(address: str, other: str) -> bool:
    """Return whether two normalised addresses differ in upper and lower case only.

    Addresses with the same key can have different owners: U+FB01 (`fi` as one character) is not `fi` to a mail server.
    """
    return address.lower() == other.lower()


def email_key(address: str) -> str:
    """Return the form by which a normalised address is compared: without case, width and invisible characters.

    It is NFKC_Casefold of the local part (Unicode 3.13, D147). The domain is canonical already; case folding would make
    one domain of two (`straße`, `strasse`). Mail goes to the address and never to this form: different addresses can
    have the same one.
    """
    if len(address) > _MAX_LENGTH:
        return address
    local, at, domain = address.rpartition("@")
    folded = unicodedata.normalize("NFKC", local).casefold()
    # Case folding can leave NFKC, and composing again can bring back what folds: a fixed point is reached in two turns.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", folded).casefold())
    return f"{_INVISIBLE.sub('', folded)}{at}{domain.lower()}"
