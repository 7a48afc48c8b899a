"""Settings of the rate limits."""

from pydantic import BaseModel

from app.core.rate_limit import RateLimitSettings


class LimitSettings(BaseModel):
    """The rates of each kind of request."""

    new_note_limits: RateLimitSettings = RateLimitSettings(
        account="60/minute", address="600/minute", total="6000/minute"
    )
