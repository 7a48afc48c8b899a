"""The queries of the search benchmark, drawn from the vocabulary of the data set. A seed determines them."""

from collections.abc import Iterator
from typing import Any, get_args

import numpy as np

from app.search.planning.facet_fields import FacetName
from app.search.planning.sort_order import SORTS
from benchmarks.dataset import CAMERAS, SHARED, TOPIC_TAGS, TOPICS, Zipf, cameras, names

Query = dict[str, Any]
# The class of the query, its path and its parameters, which are the body of a JSON search.
SearchRequest = tuple[str, str, Query]
IMAGES, TAGS, FACETS = "/v1/images", "/v1/tags", "/v1/images/facets"
EXPLAIN, JSON_SEARCH = "/v1/images/explain", "/v1/images/search"
# Of the first image of the search before.
SUGGESTED_TAGS = "/v1/images/{image_id}/suggested-tags"
COUNTED = ("estimate", "exact")
# Queries that are as expensive as the limits of the language permit.
ATTACKS = (
    " ".join(f"-{name}" for name in names().shared[:50]),
    " OR ".join(f"(-{one} -{other})" for one, other in zip(names().topics[:25], names().shared[:25], strict=True)),
    "25-of:(" + " ".join(f"-{name}" for name in names().topics[:50]) + ")",
    "3-of:(" + " ".join(names().topics[150:200]) + ")",
    "".join(f"-({name} " for name in names().topics[:10]) + "cat" + ")" * 10,
    "*",
    "*a*",
    " ".join(f"-{chr(97 + number % 26)}{number}*" for number in range(50)),
    "name:*%*_*\\*",
    "name:?????????????????????*x",
    "name:*0*1*2*3*4*5*6*7*8*9*",
    "-name:*img*",
    "ratio:1.7777..1.7778 pixels:>100000000",
    "height:1 width:1",
    "-type:jpeg,png,webp,gif,avif,heic",
    "tags:>90 -date:2025",
    "visibility:private",
    "-taken:2024.. -camera:*a*",
    "camera:*a*1?",
    "taken:<1900 cat",
)


def queries(seed: int, rounds: int, images: int) -> Iterator[SearchRequest]:
    """Yield the whole set, for a collection of `images` images."""
    random, known = np.random.default_rng(seed), names()

    def shared() -> str:
        return known.shared[int(Zipf(SHARED).draw(random, ()))]

    def topic() -> int:
        return int(Zipf(TOPICS).draw(random, ()))

    def tenth() -> str:
        """Return the common prefix of the names of at most a tenth of the images."""
        return f"img_{int(random.integers(10)) * images // 10:08d}"[: 14 - len(str(images))]

    def own(of: int) -> str:
        return known.of_topic[of][int(Zipf(TOPIC_TAGS).draw(random, ()))]

    for _ in range(rounds):
        one, other = topic(), topic()
        far = (one + 2 + int(random.integers(TOPICS - 4))) % TOPICS
        a, b, mine = shared(), shared(), own(one)
        searches = {
            "1 tag": a,
            "2 tags AND": f"{a} {known.topics[one]}" if random.random() < 0.5 else f"{a} {b}",
            "2 tags AND, any": f"{a} {own(other)}",
            "3 tags AND": f"{a} {mine} {known.topics[one]}",
            "4 tags AND": f"{a} {b} {mine} {known.topics[one]}",
            "OR": f"{a} OR {mine} OR {own(other)}",
            "OR of rare tags": f"{own(other)} | {mine}",
            "A -B": f"{a} -{known.topics[one]}",
            "A -B, A in B": f"{mine} -{known.topics[one]}",
            "-A -B": f"-{a} -{known.topics[one]}",
            "two that never meet": f"{known.topics[one]} {known.topics[far]}",
            "two of the most common that never meet": f"{known.topics[one % 5]} {known.topics[one % 5 + 7]}",
            "wildcard": f"{known.topics[one][:4]}*",
            "wildcard inside": f"{a} *{mine[1:6]}*",
            "2-of": f"2-of:({a} {mine} {own(other)})",
            "groups": f"({a} OR {mine}) -({own(other)} {b}) {known.topics[one]}",
            "filter": f"{a} width:>=1920 type:png,webp",
            "rare filter": "type:avif size:>1mb",
            "date": f"{a} date:{2024 + int(random.integers(3))}-0{1 + int(random.integers(9))}",
            "uploader": f"uploader:00000000-0000-0000-0000-{1 + int(random.integers(1000)):012x} {a}",
            "name": f"name:{tenth()}*7.png {a}",
        }
        for kind, text in searches.items():
            yield kind, IMAGES, {"q": text}
        yield "suggested tags", SUGGESTED_TAGS, {}
        for sort in (*SORTS, *(f"-{sort}" for sort in SORTS), f"random:{random.integers(9999)}"):
            yield "sorts, common tag", IMAGES, {"q": a, "sort": sort}
            yield "sorts, rare pair", IMAGES, {"q": f"{b} {mine}", "sort": sort}
        yield from photo_queries(random, a)
        for letters in (1, 2, 3):
            yield f"autocomplete, {letters}", TAGS, {"prefix": mine[:letters]}
        yield "contains", TAGS, {"contains": mine[1:4]}
        yield "related", f"/v1/tags/{a}/related", {}
        yield "related, rare", f"/v1/tags/{mine}/related", {}
        yield from facets({"empty": "", "1 tag": a, "2 tags": f"{a} {b}", "rare tag": mine})
        yield from _explained(searches)
        yield "JSON: 2 tags AND", JSON_SEARCH, {"filter": {"all": [{"tag": a}, {"tag": known.topics[one]}]}}
        yield "JSON: filter", JSON_SEARCH, {"filter": {"tag": a, "width": {"gte": 1920}, "type": {"in": ["png"]}}}
        for how in COUNTED:
            yield f"count: {how}", IMAGES, {"q": f"{a} {known.topics[one]}", "count": how}


def facets(texts: dict[str, str]) -> Iterator[SearchRequest]:
    """Yield the facets of these queries by every field."""
    for kind, text in texts.items():
        for name in get_args(FacetName):
            yield f"facets, {kind}", FACETS, {"q": text, "by": name}


def _explained(searches: dict[str, str]) -> Iterator[SearchRequest]:
    for kind in ("1 tag", "4 tags AND", "groups", "filter", "two that never meet"):
        yield f"explain: {kind}", EXPLAIN, {"q": searches[kind]}


def photo_queries(random: np.random.Generator, tag: str) -> Iterator[SearchRequest]:
    """Yield queries of times and cameras, some with this tag."""

    def month() -> str:
        return f"{2024 + int(random.integers(3))}-{1 + int(random.integers(12)):02}"

    camera = cameras()[int(Zipf(CAMERAS).draw(random, ()))]
    make, model, _number = camera.split()
    searches = {
        "taken, a day": f"taken:{month()}-{1 + int(random.integers(28)):02}",
        "taken, a month": f"taken:{month()}",
        "taken, a year": f"taken:{2024 + int(random.integers(3))}",
        "taken, with a tag": f"{tag} taken:{month()}",
        "camera": f'camera:"{camera}"',
        "camera, with a tag": f'{tag} camera:"{camera}"',
        "camera, a make": f"camera:{make}*",
        "camera, a part of the name": f"camera:*{model}*",
        "camera, in a month": f"camera:*{model}* taken:{month()}",
    }
    for kind, text in searches.items():
        yield kind, IMAGES, {"q": text}
    for sort in ("taken", "-taken"):
        yield "sort=taken", IMAGES, {"q": "", "sort": sort}
        yield "sort=taken, a month", IMAGES, {"q": f"taken:{month()}", "sort": sort}
        yield "sort=taken, a camera", IMAGES, {"q": f'camera:"{camera}"', "sort": sort}
