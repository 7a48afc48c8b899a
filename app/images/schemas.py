"""Request and response bodies of the image endpoints."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, model_validator
from pydantic_core import to_json

from app.core.pagination import Page
from app.core.resource_paths import image_path
from app.core.text.normalization import Text, matches
from app.core.text.tag_names import TagNames
from app.core.text.timestamps import format_local_time
from app.images.upload.filenames import ImageName
from app.models import Image, TagEventSource, TrashedImage
from app.models.image import Visibility
from app.search.facets.facet_counts import Facets
from app.search.language.parser import MAX_LENGTH
from app.search.planning.facet_fields import FacetName
from app.search.service import SearchPage
from app.search.strategies.row import ImageRow

Sha256 = Annotated[
    str,
    Field(max_length=64),
    matches("[0-9a-fA-F]{64}", "The digest must have 64 hexadecimal digits."),
    AfterValidator(str.lower),
    Field(json_schema_extra={"pattern": "^[0-9a-fA-F]{64}$"}),
]
_PATH = "/v1/images/1f0c3a52-c7d4-11f0-9d7e-63c1c0a4b6f1"
_SHA256 = "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb"
TAKEN_AT_PATTERN = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{6})?([+-]\d{2}:\d{2})?$"

# The default of a field that may be left out, but must not be null.
OMITTED: Any = None


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)


class ImageLinks(BaseModel):
    """Paths of the image and its files."""

    self: str = Field(examples=[_PATH])
    content: str = Field(examples=[f"{_PATH}/content"])
    thumbnail: str = Field(examples=[f"{_PATH}/thumbnail"])


class ImageRead(BaseModel):
    """An image. `size` is in bytes. `width` and `height` are in pixels, as displayed."""

    id: uuid.UUID
    name: str = Field(examples=["chelsea.png"])
    content_type: str = Field(examples=["image/png"])
    size: int = Field(examples=[240512])
    width: int = Field(examples=[451])
    height: int = Field(examples=[300])
    taken_at: str | None = Field(
        examples=["2024-05-01T10:00:00+02:00"],
        description="The time by the camera's clock, with an offset from UTC only if the file records one",
        json_schema_extra={"pattern": TAKEN_AT_PATTERN},
    )
    camera: str | None = Field(examples=["Canon EOS R5"], description="The make and model of the camera")
    sha256: str = Field(examples=[_SHA256])
    visibility: Visibility
    tags: list[str] = Field(examples=[["cat", "portrait"]])
    uploaded_by: uuid.UUID | None
    created_at: datetime
    links: ImageLinks


class ImageUploaded(ImageRead):
    """A new image, with the paths of visible copies."""

    duplicates: list[str] = Field(default=[], examples=[[_PATH]], description="Images with the same bytes: up to 20")
    similar: list[str] = Field(
        default=[], examples=[[_PATH]], description="The nearest similar images, also with the same bytes: up to five"
    )


class SearchHint(BaseModel):
    """A suggestion for a query without matches."""

    message: str = Field(examples=["Operators are upper-case: OR, AND and NOT; - negates one term."])
    query: str = Field(examples=["cat OR dog"])


class ImagePage(Page[ImageRead]):
    """A page of images. `query` is the canonical form of the query."""

    query: str = Field(examples=["cat -dog"])
    total: int | None = Field(default=None, examples=[1234], description="The number of matches; only with `count`")
    total_is: Literal["exact", "estimate"] | None = None
    hints: list[SearchHint] | None = Field(default=None, description="Suggestions; only on an empty page")


class FacetItem(BaseModel):
    """A value of the field, and the number of matching images that have it."""

    value: str = Field(examples=["cat"])
    images: int = Field(examples=[128])


class FacetList(BaseModel):
    """The most frequent values of the field `by`; equally frequent ones in the order of their characters."""

    by: FacetName = Field(examples=["tag"])
    total: int = Field(examples=[1234], description="The number of matching images")
    items: list[FacetItem]
    accuracy: Literal["exact", "estimate"] = Field(alias="is", description="Of the total and of each number of images")


class ImageUpdate(BaseModel):
    """The fields to change. An omitted field keeps its value."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_without_defaults)

    name: Annotated[ImageName, Field(examples=["chelsea.png"])] = OMITTED
    visibility: Annotated[Visibility, Field(examples=["private"])] = OMITTED


class TagsUpdate(BaseModel):
    """The tags of an image."""

    model_config = ConfigDict(extra="forbid")

    tags: TagNames


class TagsAddition(TagsUpdate):
    """The tags to add, and where they come from: `suggestion` for accepted suggestions."""

    source: Annotated[
        Literal[TagEventSource.HAND, TagEventSource.SUGGESTION],
        Field(description="The `source` of the events in the history"),
    ] = TagEventSource.HAND


class ImageSelection(BaseModel):
    """The images of a bulk change, as a query or as ids."""

    model_config = ConfigDict(extra="forbid")

    q: Annotated[Text, Field(max_length=MAX_LENGTH)] | None = None
    ids: Annotated[list[uuid.UUID], Field(max_length=1000)] | None = None
    dry_run: StrictBool = False

    @model_validator(mode="after")
    def _name_images(self) -> Self:
        if (self.q is None) == (self.ids is None):
            raise ValueError("Exactly one of the fields q and ids is required.")
        if self.q is not None and not self.q.strip():
            raise ValueError("The query must not be empty. Use * to select all images that you can change.")
        return self


class BulkTagging(ImageSelection):
    """The images, as a query or as ids, and the tags to add and to remove."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"q": "cat type:png", "add": ["feline"], "dry_run": True}]}
    )

    add: TagNames = []
    remove: TagNames = []

    @model_validator(mode="after")
    def _name_tags(self) -> Self:
        if not self.add and not self.remove:
            raise ValueError("At least one tag to add or to remove is required.")
        return self


class BulkResult(BaseModel):
    """The number of matching images that the caller may change, and of those that changed.

    `batch` is the id of the change in the history; null for a dry run.
    """

    matched: int = Field(examples=[12])
    changed: int = Field(examples=[7])
    batch: uuid.UUID | None = Field(default=None, examples=["7b8a1c9e-2f64-4d0b-9a51-0c6d3e2f1a10"])


class ImageUrl(BaseModel):
    """A pre-signed URL of the object store."""

    url: str = Field(examples=["http://127.0.0.1:9000/images/originals/…?X-Amz-Signature=…"])
    expires_at: datetime


class LookupRequest(BaseModel):
    """The SHA-256 digests of files."""

    model_config = ConfigDict(extra="forbid")

    sha256: Annotated[list[Sha256], Field(min_length=1, max_length=1000, examples=[[_SHA256]])]


class LookupItem(BaseModel):
    """The oldest image with these bytes that the caller may see."""

    sha256: str = Field(examples=[_SHA256])
    image: str = Field(examples=[_PATH])


class LookupResult(BaseModel):
    """The digests of stored files, in the order of the request."""

    items: list[LookupItem]


def to_read(image: Image | TrashedImage | ImageRow, tags: list[str]) -> ImageRead:
    """Shape an image for the wire."""
    return ImageRead.model_validate(image_fields(image, tags))


def to_uploaded(
    image: Image, tags: list[str], duplicates: Iterable[uuid.UUID] = (), similar: Iterable[uuid.UUID] = ()
) -> ImageUploaded:
    """Shape a new image for the wire, with the ids of its duplicates and of similar images."""
    return ImageUploaded(
        **image_fields(image, tags),
        duplicates=list(map(image_path, duplicates)),
        similar=list(map(image_path, similar)),
    )


def page_json(page: SearchPage, next_cursor: str | None, query: str) -> bytes:
    """Return an ImagePage as JSON, in one pass: to make the models and validate them would take longer."""
    body: dict[str, Any] = {
        "items": [image_fields(one, one.tags) for one in page.images],
        "next_cursor": next_cursor,
        "query": query,
    }
    if page.count is not None:
        body["total"], body["total_is"] = page.count
    if page.hints:
        body["hints"] = [{"message": hint.message, "query": hint.query} for hint in page.hints]
    return to_json(body)


def to_facet_list(by: FacetName, facets: Facets) -> FacetList:
    """Shape facets for the wire."""
    items = [{"value": value, "images": images} for value, images in facets.items]
    return FacetList.model_validate({"by": by, "total": facets.total, "items": items, "is": facets.accuracy})


def image_fields(image: Image | TrashedImage | ImageRow, tags: list[str]) -> dict[str, Any]:
    """Return the fields of an ImageRead, ready to be written as JSON."""
    path = image_path(image.id)
    return {
        # As text: what is no UUID of Python's own, but the driver's, takes the serializer ten times as long.
        "id": str(image.id),
        "name": image.name,
        "content_type": image.content_type,
        "size": image.size,
        "width": image.width,
        "height": image.height,
        "taken_at": None if image.taken_at is None else format_local_time(image.taken_at, image.taken_at_offset),
        "camera": image.camera,
        "sha256": image.sha256.hex(),
        "visibility": image.visibility,
        "tags": tags,
        "uploaded_by": None if image.uploaded_by is None else str(image.uploaded_by),
        "created_at": image.created_at,
        "links": {"self": path, "content": f"{path}/content", "thumbnail": f"{path}/thumbnail"},
    }
