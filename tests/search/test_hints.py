"""Hints on empty pages, and corrections of queries that do not parse."""

from dataclasses import replace
from typing import Any

import asyncpg
import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.authz.visibility import VisibilityScope
from app.db.database import Database
from app.search.errors import InvalidQuery
from app.search.hint_finder import HintFinder
from app.search.language import ast
from app.search.language.ast import MATCH_ALL, format_query
from app.search.language.corrections import corrections
from app.search.language.hints import MAX_HINTS, Hint, find_prefixed_terms, make_hints
from app.search.language.parser import parse
from app.search.planning.predicates import conjuncts
from tests.search.collection import OWNERS, Picture, matches, pictures, store, visible
from tests.search.queries import RELAXED, make_search, nodes, run, scopes
from tests.support.accounts import Account
from tests.support.examples import examples
from tests.tags.helpers import read, upload


async def search(client: httpx.AsyncClient, query: str) -> dict[str, Any]:
    page: dict[str, Any] = await read(client, "/v1/images", q=query)
    return page


async def hinted(client: httpx.AsyncClient, query: str) -> list[str]:
    """Return the queries of the hints of an empty page, each of which is valid."""
    page = await search(client, query)
    assert page["items"] == []
    hints = page.get("hints", [])
    for hint in hints:
        assert hint["message"]
        assert (await search(client, hint["query"]))["query"] == hint["query"]
    return [hint["query"] for hint in hints]


async def test_f46_a_term_with_an_unknown_prefix_is_a_tag(user: Account, client: httpx.AsyncClient) -> None:
    image = await upload(user, "rating:safe", "artist:x")
    for query in ("rating:safe", "artist:x", "rating:s*"):
        page = await search(client, query)
        assert [one["id"] for one in page["items"]] == [image["id"]]
        assert "hints" not in page


async def test_f46_an_empty_page_hints_at_the_filter_and_at_the_plain_tag(
    user: Account, client: httpx.AsyncClient
) -> None:
    await upload(user, "safe", "rating:safe")
    assert await hinted(client, "ratign:safe") == ["safe", '"rating:safe"']
    assert await hinted(client, "heigth:5") == ["height:5", "5"]
    assert await hinted(user.client, "cat uplaoder:me") == ["cat uploader:me", "cat me"]
    # Without an account that filter is refused.
    assert await hinted(client, "cat uplaoder:me") == ["cat me"]
    # A tag that is there needs no explanation; the other one empties the page.
    assert await hinted(client, "rating:safe dog") == ['"rating:safe"']
    assert await hinted(client, "rating:s* dog") == ["rating:s*"]


async def test_f46_a_hint_does_not_disclose_the_tags_of_private_images(
    user: Account, client: httpx.AsyncClient
) -> None:
    await upload(user, "plan:secret", visibility="private")
    known, unknown = await search(client, "plan:secret"), await search(client, "plan:nothing")
    assert known["hints"][0]["message"] == unknown["hints"][0]["message"]


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("cat or dog", "cat OR dog"),
        ("cat Or dog", "cat OR dog"),
        ("cat and dog", "cat dog"),
        ("not cat", "-cat"),
        ("cat and not dog", "cat -dog"),
        ("cat && dog", "cat dog"),
        ("cat&&dog", "cat dog"),
        ("! cat", "-cat"),
        ("!cat", "-cat"),
        ("x (cat or dog)", "x (cat OR dog)"),
    ],
)
async def test_f49_operators_of_other_languages_get_a_hint(client: httpx.AsyncClient, query: str, hint: str) -> None:
    assert hint in await hinted(client, query)


@pytest.mark.parametrize("query", ["cat", "cat OR dog", "(cat dog)", "-(cat OR dog) x", 'cat "or" d', "cat_(animal)"])
async def test_f49_a_plain_query_gets_no_hint(client: httpx.AsyncClient, query: str) -> None:
    assert await hinted(client, f"none {query}") == []


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("cat || dog", "cat OR dog"),
        ("!(cat dog)", "-(cat dog)"),
        (":)", '":)"'),
        ("cat :-)", 'cat ":-)"'),
        ("size:> 1mb", "size:>1mb"),
        ("size: >1 mb", "size:>1mb"),
    ],
)
async def test_f54_an_error_of_the_parser_suggests_a_correction(
    client: httpx.AsyncClient, query: str, meant: str
) -> None:
    response = await client.get("/v1/images", params={"q": query})
    assert (response.status_code, response.json()["did_you_mean"]) == (400, meant)
    assert (await client.get("/v1/images", params={"q": meant})).status_code == 200


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("(o)_(o)", '"(o)_(o)"'),
        ("cat (o)_(o)", 'cat "(o)_(o)"'),
        ("size:>1 mb", "size:>1mb"),
        ("-size:1 KB", "-size:1kb"),
    ],
)
async def test_f54_a_query_with_another_meaning_gets_a_hint(client: httpx.AsyncClient, query: str, hint: str) -> None:
    assert await hinted(client, query) == [hint]


async def test_f49_a_page_with_images_has_no_hints(user: Account, client: httpx.AsyncClient) -> None:
    await upload(user, "cat")
    assert "hints" not in await search(client, "cat OR or")


@pytest.mark.parametrize("query", ["", "  ", "*", " ** "])
def test_f50_a_lone_star_means_every_image(query: str) -> None:
    assert parse(query) == MATCH_ALL
    assert format_query(parse(query)) == ""


async def test_f50_a_star_finds_images_without_tags(user: Account, client: httpx.AsyncClient) -> None:
    image = await upload(user)
    assert [one["id"] for one in (await search(client, "*"))["items"]] == [image["id"]]


STRANGER, OWNER = VisibilityScope(), VisibilityScope(OWNERS[0])


async def find(database: Database, query: str, scope: VisibilityScope) -> list[Hint]:
    """Return the hints for a query, without a time limit that matters."""
    async with database.search_session(1000) as session:
        search = await make_search(session, parse(query), scope)
    return await HintFinder(database, 1000).find(search, query)


@pytest.fixture
async def collection(sql: asyncpg.Connection) -> list[Picture]:
    stored = pictures(7, 60)
    await store(sql, stored)
    await sql.execute("INSERT INTO tags (id, name) VALUES (50, 'elephant'), (51, 'secret')")
    await sql.execute("INSERT INTO tagged (tag, image) SELECT 50, id FROM images WHERE visibility = 'public'")
    await sql.execute(
        "INSERT INTO tagged (tag, image) SELECT 51, id FROM images WHERE visibility = 'private' AND uploaded_by = $1",
        OWNERS[0],
    )
    shown = [replace(one, tags=one.tags | {"elephant"}) if not one.private else one for one in stored]
    return [
        replace(one, tags=one.tags | {"secret"}) if one.private and one.uploaded_by == OWNERS[0] else one
        for one in shown
    ]


@pytest.mark.usefixtures("collection")
async def test_hints_name_the_term_that_empties_the_page_or_a_similar_tag(database: Database) -> None:
    for query, scope, expected in [
        # The term that empties the page.
        ("cat width:5", STRANGER, ["cat"]),
        ("width:5 type:png", STRANGER, ["type:png"]),
        ("zebra cat horse", STRANGER, ["cat"]),
        ("zebra", STRANGER, []),
        ("zebra OR horse", STRANGER, []),
        ("unused cat", STRANGER, ["cat"]),
        # A similar tag: one edit, similar trigrams, or an alias.
        ("catt", STRANGER, ["cat"]),
        ("dgo", STRANGER, ["dog"]),
        ('"hot dgo"', STRANGER, ['"hot dog"']),
        ("elefant", STRANGER, ["elephant"]),
        ("kity type:png", STRANGER, ["kitty type:png", "type:png"]),
        ("kity width:5", STRANGER, []),
        ("sofaa -catt", STRANGER, ["sofa -catt", "-catt"]),
        # A tag of the private images of another account is like an unknown one.
        ("secret cat", STRANGER, ["cat"]),
        ("secrt", STRANGER, []),
        ("secrt", OWNER, ["secret"]),
        ("secret visibility:public", OWNER, ["secret", "visibility:public"]),
    ]:
        hints = await find(database, query, scope)
        assert [hint.query for hint in hints] == expected, query
    known, unknown = await find(database, "secret cat", STRANGER), await find(database, "secrex cat", STRANGER)
    assert known[0].message.replace("secret", "secrex") == unknown[0].message


async def test_the_hints_of_any_empty_page_have_images(collection: list[Picture], database: Database) -> None:
    languages = {one.message for text in ("a or b", "size: 1", "(o)_(o)") for one in corrections(text)}

    @settings(RELAXED, max_examples=60)
    @given(query=nodes, scope=scopes)
    @example(query=parse("cat cattle dog tags:2..3"), scope=VisibilityScope())
    async def check(query: ast.Node, scope: VisibilityScope) -> None:
        seen = [one for one in collection if visible(one, scope.principal_id, sees_all=scope.sees_all)]

        def has_match(node: ast.Node) -> bool:
            return any(matches(node, one, scope.principal_id) for one in seen)

        if "7d.." in format_query(query) or has_match(query):
            return
        hints = [one for one in await find(database, format_query(query), scope) if one.message not in languages]
        assert all(has_match(parse(one.query)) for one in hints if "There is no filter" not in one.message)
        if any(isinstance(one, ast.Tag) and one.name in ("unused", "nowhere") for one in conjuncts(query)):
            return
        others = [ast.without_leaf(query, number) for number, _ in enumerate(ast.leaves(query))]
        assert len(hints) >= min(MAX_HINTS, len({format_query(one) for one in others if one and has_match(one)}))

    await run(check)


@examples(15)
@given(st.text(alphabet=" ()\"-|*:!&<>=.orandtNOT12sizembk_'", max_size=40))
def test_f54_every_hint_and_correction_is_a_query(text: str) -> None:
    try:
        query = parse(text)
    except InvalidQuery as error:
        meant = error.extras.get("did_you_mean")
        if meant and "of:(" not in text and " " not in text:
            parse(meant)
        return
    for hint in make_hints(text, list(find_prefixed_terms(text).values()), None):
        assert format_query(parse(hint.query)) == hint.query
        assert hint.query != format_query(query)
