"""Settings of the rate limits."""

from pydantic import BaseModel

from app.core.rate_limit import RateLimitSettings


class LimitSettings(BaseModel):
    """The rates of each kind of request."""

    login_limits: RateLimitSettings = RateLimitSettings(account="10/minute", address="120/minute", total="1200/minute")
    sign_up_limits: RateLimitSettings = RateLimitSettings(account="10/minute", address="120/minute", total="600/minute")
    refresh_limits: RateLimitSettings = RateLimitSettings(
        account="60/minute", address="600/minute", total="60000/minute"
    )
    upload_limits: RateLimitSettings = RateLimitSettings(
        account="3000/minute", address="6000/minute", total="60000/minute"
    )
    search_limits: RateLimitSettings = RateLimitSettings(
        account="6000/minute", address="12000/minute", total="120000/minute"
    )
    new_tag_limits: RateLimitSettings = RateLimitSettings(account="2000/hour", address="4000/hour", total="20000/hour")
    mail_limits: RateLimitSettings = RateLimitSettings(account="5/hour", address="30/hour", total="2000/hour")
