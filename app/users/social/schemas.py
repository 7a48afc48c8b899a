"""Response bodies of social login and of the identities of an account."""

from datetime import datetime

from pydantic import BaseModel, Field


class ProviderRead(BaseModel):
    """An identity provider, and the path that starts a sign-in."""

    name: str = Field(examples=["google"])
    authorize_url: str = Field(examples=["/v1/auth/social/google"])


class ProviderList(BaseModel):
    """The configured identity providers."""

    items: list[ProviderRead]


class AuthorizeRead(BaseModel):
    """The URL at which the sign-in begins."""

    authorize_url: str = Field(examples=["https://accounts.example.com/authorize?state=…"])


class IdentityRead(BaseModel):
    """An identity that is linked to the account."""

    provider: str = Field(examples=["google"])
    issuer: str = Field(description="The issuer URL of the provider", examples=["https://accounts.google.com"])
    subject: str = Field(description="The account id at the provider", examples=["110169484474386276334"])
    created_at: datetime = Field(description="When it was linked")


class IdentityList(BaseModel):
    """All linked identities of the account, at most 20, oldest first."""

    items: list[IdentityRead]
