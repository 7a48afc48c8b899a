"""The form of an upload: its fields, and the parts that it is read from."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeVar

from app.core.errors import ValidationFailed
from app.core.field_errors import unknown_field, unknown_value
from app.core.text.tag_names import normalize_tags, split_tags
from app.images.upload.filenames import normalize_name
from app.models.image import Visibility

FORM_FIELDS = ("image", "tags", "visibility", "on_conflict")
MAX_NAME_LENGTH = 100
ANONYMOUS_PRIVATE = "An anonymous upload cannot be private."


class FormPart(Protocol):
    """A part of a form: a file if it has a file name, otherwise a field."""

    name: str
    filename: str | None
    chunks: AsyncIterator[bytes]

    async def text(self) -> str:
        """Return the value of a field. Raises ValidationFailed."""
        ...


class OnConflict(StrEnum):
    """The reaction to a file name that is in use."""

    ERROR = "error"
    RENAME = "rename"


@dataclass(slots=True)
class UploadFields:
    """The fields beside the file. `on_conflict` is None until it was sent."""

    tags: list[str] = field(default_factory=list)
    visibility: Visibility = Visibility.PUBLIC
    on_conflict: OnConflict | None = None
    _seen: set[str] = field(default_factory=set)

    async def add(self, part: FormPart) -> None:
        """Read one field. Raises ValidationFailed."""
        if part.name not in FORM_FIELDS:
            raise ValidationFailed([unknown_field(["body", part.name[:MAX_NAME_LENGTH]], FORM_FIELDS)])
        value = await part.text()
        if part.name in self._seen and part.name != "tags":
            raise ValidationFailed.at(["body", part.name], "The field occurs more than once.", "repeated")
        self._seen.add(part.name)
        self.set(part.name, value, ("body",))

    def set(self, name: str, value: str, loc: tuple[str, ...]) -> None:
        """Set a field, or add to the tags; `loc` is the part of the request that has it. Raises ValidationFailed."""
        try:
            if name == "tags":
                self.tags = normalize_tags([*self.tags, *split_tags(value)])
            elif name == "visibility":
                self.visibility = _choice(Visibility, (*loc, name), value)
            else:
                self.on_conflict = _choice(OnConflict, (*loc, name), value)
        except ValueError as error:
            raise ValidationFailed.at([*loc, name], str(error)) from error


class NoFields(UploadFields):
    """The fields of a form that has only the file."""

    async def add(self, part: FormPart) -> None:
        """Refuse a field. Raises ValidationFailed."""
        raise ValidationFailed([unknown_field(["body", part.name[:MAX_NAME_LENGTH]], FORM_FIELDS[:1])])


def normalized_file_name(part: FormPart) -> str:
    """Return the file's name in NFC. Raises ValidationFailed."""
    if part.filename is None:
        raise ValidationFailed.at(["body", "image"], "The part has no file name.", "missing")
    return normalized_name(part.filename, ("body", "image", "filename"))


def normalized_name(name: str, loc: tuple[str, ...]) -> str:
    """Return a file name in NFC; `loc` is the part of the request that has it. Raises ValidationFailed."""
    try:
        return normalize_name(name)
    except ValueError as error:
        raise ValidationFailed.at(loc, str(error)) from error


Choice = TypeVar("Choice", bound=StrEnum)


def _choice(choices: type[Choice], loc: tuple[str, ...], value: str) -> Choice:
    if value not in tuple(choices):
        raise ValidationFailed([unknown_value(list(loc), value, tuple(choices))])
    return choices(value)
