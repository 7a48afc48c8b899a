"""Errors of image files and their decoders."""

from app.core.errors import Unavailable, Unprocessable


class InvalidImage(Unprocessable):
    slug, title = "invalid-image", "Invalid image"
    description = "The file is damaged or is not an image."


class ImageTooLarge(Unprocessable):
    slug, title = "image-too-large", "Image too large"
    description = "The image has more pixels than the limit."


class DecodersUnavailable(Unavailable):
    """No decoder could do the job, for a reason that is not the file's."""

    slug, title = "decoders-unavailable", "Image decoders unavailable"
    description = "No image decoder can process the file at present."


class DecodersBusy(Unavailable):
    """Others' images took all of the time that this one could wait."""

    slug, title = "decoders-busy", "Image decoders busy"
    description = "All image decoders are in use."
