"""The error for an image name that is in use."""

from app.authz.principal import Principal
from app.authz.visibility import visibility_scope
from app.core.resource_paths import image_path
from app.db.database import Database
from app.images.errors import NameTaken
from app.images.new_images import NameOwner, NewImageRepository


def name_taken(owner: NameOwner, principal: Principal) -> NameTaken:
    """Return the error, with the path of the image that has the name if the principal may see it."""
    return NameTaken(image=image_path(owner.id)) if visibility_scope(principal).sees(owner) else NameTaken()


async def refuse_taken_name(database: Database, name: str, principal: Principal) -> None:
    """Raise NameTaken if an image has the name. Another upload may still take it: the unique constraint decides."""
    async with database.read_connection() as connection:
        owner = await NewImageRepository(connection).find_by_name(name)
    if owner is not None:
        raise name_taken(owner, principal)
