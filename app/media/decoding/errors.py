"""Reasons for which a decoder refuses a picture."""


class TooLarge(Exception):
    """The picture has more pixels or frames than a job may have."""


class PixelsMissing(ValueError):
    """A part of the picture is not in the file."""
