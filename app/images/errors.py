"""Errors of images and their storage quota."""

from app.core.errors import Conflict, NotFound, PayloadTooLarge


class ImageNotFound(NotFound):
    slug, title = "image-not-found", "Image not found"
    description = "There is no image with this id, or the caller may not see it."


class NameTaken(Conflict):
    slug, title = "name-taken", "Image name taken"
    description = "An image with this name already exists."
    constraints = ("uq_images_name",)


class StorageQuotaExceeded(PayloadTooLarge):
    """`quota_bytes` is the account's quota, `available_bytes` what is left of it."""

    slug, title = "storage-quota-exceeded", "Storage quota exceeded"
    description = "The account's storage quota is exceeded."
