"""Resolves the image ids of `similar:` filters to the similar images."""

import uuid
from collections.abc import Mapping, Sequence

from app.authz.visibility import VisibilityScope
from app.db.asyncpg_queries import Reader
from app.search.errors import QueryTooBroad
from app.search.language import ast
from app.similarity.hash_chunks import MAX_DISTANCE
from app.similarity.repository import SimilarImageReader

MAX_SIMILAR = 10_000


async def resolve_similar(
    reader: Reader, query: ast.Node, visibility: VisibilityScope
) -> Mapping[str, Sequence[uuid.UUID]]:
    """Return the visible images that are similar to each image of the query; none for an invisible one.

    Raises QueryTooBroad for more than MAX_SIMILAR.
    """
    filters = [leaf for leaf in ast.leaves(query) if isinstance(leaf, ast.Filter) and leaf.name == "similar"]
    values = sorted({value for leaf in filters for value in leaf.values})
    return {value: await _list_ids(reader, uuid.UUID(value), visibility) for value in values}


async def _list_ids(reader: Reader, image_id: uuid.UUID, visibility: VisibilityScope) -> list[uuid.UUID]:
    similarity = SimilarImageReader(reader)
    fingerprint = await similarity.find_visible_fingerprint(image_id, visibility)
    if fingerprint is None:
        return []
    similar = await similarity.list_similar(fingerprint, visibility, MAX_DISTANCE, MAX_SIMILAR + 1, except_for=image_id)
    if len(similar) > MAX_SIMILAR:
        raise QueryTooBroad(f"More than {MAX_SIMILAR:,} images are similar to the image {image_id}")
    return [one.id for one in similar]
