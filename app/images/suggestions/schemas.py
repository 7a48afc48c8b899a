"""Response bodies of suggested tags."""

from pydantic import BaseModel, Field

_PATH = "/v1/images/1f0c3a52-c7d4-11f0-9d7e-63c1c0a4b6f1"


class SuggestedTagRead(BaseModel):
    """A suggested tag. `votes` counts the visible images that vote for it."""

    tag: str = Field(examples=["whiskers"])
    score: float = Field(examples=[0.2871])
    votes: int = Field(examples=[3])
    because: list[str] = Field(
        examples=[[_PATH]], description="The paths of up to five images that vote: copies first, the nearest first"
    )


class SuggestedTagList(BaseModel):
    """Suggested tags, the one with the highest score first."""

    items: list[SuggestedTagRead]
