"""The charges of each rate-limited action, by account, by address and in total.

A successful sign-in gets its charges back. An address at which the account has an open session has a counter of its
own, so that an attacker elsewhere cannot lock the owner out. `app.core.callers.rate_limit_network` groups addresses.
"""

import uuid

from app.core.callers import rate_limit_network
from app.core.rate_limit import RateLimitSettings
from app.core.text.email_addresses import email_key
from app.ratelimit.rate_limiter import Charge


def login_charges(limits: RateLimitSettings, account: str, address: str | None, *, known_address: bool) -> list[Charge]:
    """Return the charges for one attempt at an account, which need not exist; `account` is its e-mail address."""
    place = rate_limit_network(address)
    own_counter = f" at {place}" if known_address else ""
    return [Charge(f"login account {account}{own_counter}", limits.account), *_shared("login", limits, place)]


def password_check_charges(limits: RateLimitSettings, user_id: uuid.UUID) -> list[Charge]:
    """Return the charges for one check of the current password of a signed-in account."""
    return [Charge(f"password {user_id}", limits.account)]


def sign_up_charges(limits: RateLimitSettings, email: str, address: str | None) -> list[Charge]:
    """Return the charges for one sign-up."""
    return [
        Charge(f"sign-up account {email_key(email)}", limits.account),
        *_shared("sign-up", limits, rate_limit_network(address)),
    ]


def refresh_charges(limits: RateLimitSettings, session_id: uuid.UUID | None, address: str | None) -> list[Charge]:
    """Return the charges for one refresh; an invalid token has no session."""
    own = [] if session_id is None else [Charge(f"refresh session {session_id}", limits.account)]
    return [*own, *_shared("refresh", limits, rate_limit_network(address))]


def social_charges(limits: RateLimitSettings, address: str | None) -> list[Charge]:
    """Return the charges for one start of a social login."""
    return _shared("social", limits, rate_limit_network(address))


def mail_charges(limits: RateLimitSettings, account: str, address: str | None) -> list[Charge]:
    """Return the charges for one mail to an account, which need not exist; `account` is its e-mail address."""
    return [Charge(f"mail account {account}", limits.account), *_shared("mail", limits, rate_limit_network(address))]


def upload_charges(limits: RateLimitSettings, user_id: uuid.UUID | None, address: str | None) -> list[Charge]:
    """Return the charges for one upload; without an account, by address and in total only."""
    return _use("upload", limits, user_id, address)


def search_charges(limits: RateLimitSettings, user_id: uuid.UUID | None, address: str | None) -> list[Charge]:
    """Return the charges for one search that reaches the database."""
    return _use("search", limits, user_id, address)


def new_tag_charges(
    limits: RateLimitSettings, user_id: uuid.UUID | None, address: str | None, tags: int
) -> list[Charge]:
    """Return the charges for this number of new tags."""
    return [charge._replace(uses=tags) for charge in _use("new-tags", limits, user_id, address)]


def _use(action: str, limits: RateLimitSettings, user_id: uuid.UUID | None, address: str | None) -> list[Charge]:
    own = [] if user_id is None else [Charge(f"{action} account {user_id}", limits.account)]
    return [*own, *_shared(action, limits, rate_limit_network(address))]


def _shared(action: str, limits: RateLimitSettings, place: str) -> list[Charge]:
    return [Charge(f"{action} address {place}", limits.address), Charge(f"{action} total", limits.total)]
