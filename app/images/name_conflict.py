"""The error for an image name that is in use."""

from app.authz.principal import Principal
from app.authz.visibility import visibility_scope
from app.images.errors import NameTaken
from app.images.paths import image_path
from app.images.repository import NameOwner


def name_taken(owner: NameOwner, principal: Principal) -> NameTaken:
    """Return the error, with the path of the image that has the name if the principal may see it."""
    return NameTaken(image=image_path(owner.id)) if visibility_scope(principal).sees(owner) else NameTaken()
