"""SQL of suggested tags: the votes of visible images, in one statement.

The score of a tag is its rarity multiplied by the sum of its votes:

* A copy votes with its similarity, divided by the sum of all similarities if that exceeds 1.
* An image that shares a tag of the image votes with the share of that tag: its rarity, divided by the rarities of all
  shared tags. The share is divided by the number of images in the sample of the tag plus 1.

So the votes of a sample are the conditional probability of the suggested tag, and small samples count less.

The rarity of a tag with n public images is 1 / log2(n + 2). Sources: Li, Snoek and Worring, "Learning Social Tag
Relevance by Neighbor Voting", 2009; Sigurbjörnsson and van Zwol, "Flickr Tag Recommendation based on Collective
Knowledge", 2008 (asymmetric co-occurrence); Adamic and Adar, "Friends and Neighbors on the Web", 2003 (rarity).
"""

import uuid
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from app.authz.visibility import VisibilityScope
from app.db.asyncpg_queries import fetch
from app.db.sql_text import BindParameters
from app.models.tag import EXACT_COUNT

# The images of all samples together. They bound the time, also for an image with 100 common tags.
MAX_SAMPLED = 500
MAX_REASONS = 5
# Candidates beyond twice the limit: counts that are not compacted yet can change their order.
MARGIN = 100


class Copy(NamedTuple):
    """A copy of an image, with a similarity above 0 and up to 1."""

    id: uuid.UUID
    similarity: float


class SuggestedTag(NamedTuple):
    """A tag, its score, and the images that vote for it: their number, and the first of them."""

    name: str
    score: float
    votes: int
    images: Sequence[uuid.UUID]


async def list_suggested_tags(
    session: AsyncSession,
    image: uuid.UUID,
    tag_ids: Sequence[int],
    copies: Sequence[Copy],
    visibility: VisibilityScope,
    limit: int,
) -> list[SuggestedTag]:
    """Return the tags that an image lacks and that visible images vote for, the highest score first.

    `tag_ids` are the explicit and the implied tags of the image.
    """
    values = BindParameters()
    own, tags = values.bind(image), values.bind(tag_ids, "int[]")
    ids, similarities = (
        values.bind([copy.id for copy in copies], "uuid[]"),
        values.bind([copy.similarity for copy in copies], "float8[]"),
    )
    # The limit of a sample is a value, not a subquery: so the planner knows that it reads few rows.
    sampled, most = values.bind(MAX_SAMPLED // max(1, len(tag_ids)), "int"), values.bind(limit, "int")
    visible = visibility.sql(values)
    # `tagged` is read in the order of the image ids, whose first bytes are the fast-changing part of the time. So the
    # first images of a tag are a sample of all of them.
    statement = f"""
        WITH present AS MATERIALIZED (
            SELECT t.id AS tag, ln(2) / ln({EXACT_COUNT} + 2) AS rarity FROM tags t WHERE t.id = ANY({tags})
        ), sampled AS MATERIALIZED (
            SELECT p.tag, p.rarity, s.* FROM present p CROSS JOIN LATERAL (
                SELECT g.image, images.tag_ids FROM tagged g JOIN images ON images.id = g.image
                WHERE g.tag = p.tag AND g.image <> {own} AND {visible} ORDER BY g.image LIMIT {sampled}
            ) AS s
        ), samples AS (SELECT tag, min(rarity) AS rarity, count(*) AS images FROM sampled GROUP BY tag),
        votes AS MATERIALIZED (
            SELECT n.image, images.tag_ids, n.similarity, n.similarity / greatest(1, sum(n.similarity) OVER ()) AS share
            FROM unnest({ids}, {similarities}) AS n(image, similarity) JOIN images ON images.id = n.image
            WHERE {visible}
            UNION ALL
            SELECT s.image, s.tag_ids, 0, s.rarity / (SELECT sum(rarity) FROM samples) / (a.images + 1)
            FROM sampled s JOIN samples a USING (tag)
        ), voted AS (
            SELECT u.tag, sum(v.share) AS share, count(DISTINCT v.image) AS votes
            FROM votes v, unnest(v.tag_ids) AS u(tag) WHERE u.tag <> ALL({tags}) GROUP BY u.tag
        ), first AS (
            SELECT t.id, t.name, v.share, v.votes, {EXACT_COUNT} AS images FROM (
                -- An exact count costs a look-up: only tags that the compacted counts place near the top get one.
                SELECT v.* FROM voted v JOIN tags t ON t.id = v.tag AND t.alias_of IS NULL
                ORDER BY v.share / ln(t.image_count + 2) DESC, t.name LIMIT 2 * {most} + {MARGIN}
            ) AS v JOIN tags t ON t.id = v.tag
        ), scored AS (
            SELECT id, name, votes, CAST(round(CAST(share * ln(2) / ln(images + 2) AS numeric), 4) AS float8) AS score
            FROM first ORDER BY score DESC, name LIMIT {most}
        )
        SELECT name, score, votes, ARRAY(
            SELECT image FROM votes v WHERE s.id = ANY(v.tag_ids) GROUP BY image
            ORDER BY max(similarity) DESC, image LIMIT {MAX_REASONS}
        ) FROM scored s ORDER BY score DESC, name"""  # noqa: S608 - of constants and placeholders
    return [SuggestedTag(*row) for row in await fetch(session, statement, values.values)]
