"""Which names tags may have, wherever names enter."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from app.core.text.tag_names import normalize_tag, normalize_tag_term, tag_from_text
from tests.support.accounts import Account
from tests.support.photos import png
from tests.tags.helpers import read, upload

DOTS = (".", "..", " .. ")
OPERATORS = ("or", "OR", "And", "not")
INVISIBLE = {
    "Hangul filler": "\u3164",
    "grapheme joiner": "\u034f",
    "joiner at the end": "cat\u034f",
    "variation selector": "a\ufe0f",
    "half-width filler": "\uffa0",
    "Khmer inherent vowel": "\u17b4",
    "zero-width space": "cat\u200bdog",
    "joiner between Latin letters": "cat\u200ddog",
    "non-joiner between Latin letters": "cat\u200cdog",
    "joiner at an end": "می\u200c",
    "two joiners": "क\u094d\u200d\u200dष",
    "joiner between scripts": "क\u094d\u200ca",
    "tag character": "a\U000e0041",
    "mark without a letter": "\u0301",
    "mark after a space": "a \u0301",
}
READABLE = {
    "हिन्दी": "हिन्दी",
    "น้ำ": "น้ำ",
    "தமிழ்": "தமிழ்",
    "Zu\u0308rich": "zürich",
    "می\u200cشوم": "می\u200cشوم",
    "क\u094d\u200dष": "क\u094d\u200dष",
    "  Red\u3000 Sofa ": "red sofa",
    "...": "...",
    "oregon": "oregon",
}


def entrances(name: str) -> dict[str, tuple[str, str, Any]]:
    """Return a request for each way by which a name can enter: method, path, body."""
    return {
        "create": ("POST", "/v1/tags", {"names": [name]}),
        "rename": ("PATCH", "/v1/tags/cat", {"name": name}),
        "merge": ("POST", "/v1/tags/cat/merge", {"into": name}),
        "alias": ("PUT", "/v1/tags/cat/aliases", {"aliases": [name]}),
        "imply": ("PUT", "/v1/tags/cat/implications", {"implies": [name]}),
        "add": ("POST", "{image}/tags", {"tags": [name]}),
        "replace": ("PUT", "{image}/tags", {"tags": [name]}),
        "bulk": ("POST", "/v1/images/tags", {"q": "cat", "add": [name]}),
        "path": ("GET", f"/v1/tags/{quote(name, safe='')}", None),
    }


async def assert_refused_everywhere(admin: Account, name: str) -> None:
    image = await upload(admin, "cat")
    responses = {}
    for entrance, (method, path, body) in entrances(name).items():
        if entrance == "path" and not name.strip(". "):
            continue  # the client removes it
        response = await admin.client.request(method, path.format(image=image["links"]["self"]), json=body)
        responses[entrance] = response.status_code
    form = {"tags": f"dog,{name}"}
    response = await admin.client.post("/v1/images", files={"image": ("refused.png", png())}, data=form)
    responses["upload"] = response.status_code
    assert responses == dict.fromkeys(responses, 422)
    assert [tag["name"] for tag in (await read(admin.client, "/v1/tags"))["items"]] == ["cat"]


@pytest.mark.parametrize("name", DOTS[:2])
async def test_f45_dot_segments_are_refused_wherever_names_enter(admin: Account, name: str) -> None:
    await assert_refused_everywhere(admin, name)


@pytest.mark.parametrize("name", DOTS)
def test_f45_dot_segments_are_no_tags(name: str) -> None:
    with pytest.raises(ValueError, match="must not be"):
        normalize_tag(name)


async def test_f45_a_stranger_cannot_have_an_owner_delete_an_image(user: Account, make_account: Any) -> None:
    image = (await upload(user, "cat"))["links"]["self"]
    stranger = await make_account()
    refused = await stranger.client.post(f"{image}/tags", json={"tags": [".."]})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"] == ["body", "tags"]
    assert (await user.client.get(image)).json()["tags"] == ["cat"]


@pytest.mark.parametrize("name", OPERATORS)
async def test_f49_operators_are_refused_as_names(admin: Account, name: str) -> None:
    await assert_refused_everywhere(admin, name)


async def test_f49_operators_may_stand_in_a_query(client: httpx.AsyncClient) -> None:
    for query in ("cat or dog", '"or"', "and"):
        assert (await client.get("/v1/images", params={"q": query})).status_code == 200
    assert normalize_tag_term("NOT") == "not"


@pytest.mark.parametrize("name", INVISIBLE.values(), ids=INVISIBLE)
def test_f55_invisible_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"a tag (must have|can contain only)"):
        normalize_tag(name)


async def test_f55_invisible_names_are_refused_wherever_names_enter(admin: Account) -> None:
    await assert_refused_everywhere(admin, "cat\u034f")


@pytest.mark.parametrize("name", ["cat\r\ndog", "\ncat", "cat\t", "cat\x85"])
async def test_f55_control_characters_are_refused_before_trimming(admin: Account, name: str) -> None:
    await assert_refused_everywhere(admin, name)


@pytest.mark.parametrize(("name", "tag"), READABLE.items())
async def test_f55_names_of_every_script_are_accepted(user: Account, name: str, tag: str) -> None:
    made = await user.client.post("/v1/tags", json={"names": [name]})
    assert [one["name"] for one in made.json()["items"]] == [tag]
    assert (await user.client.get(f"/v1/tags/{quote(name, safe='')}")).json()["name"] == tag


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("Zu\u0308rich", "zürich"),
        ("हिन्दी, फोटो", "हिन्दी फोटो"),
        ("ภาษาไทย", "ภาษาไทย"),
        ("தமிழ்", "தமிழ்"),
        ("2024 [summer] ☀️ fun", "2024 summer fun"),
        ("--draft", "draft"),
        ("cat\u200bdog", "catdog"),
        ("a\udcffb\n", "a b"),
        ("..", None),
        ("Or", None),
        ("☀️", None),
        ("", None),
        ("x" * 65, None),
        ("\u0315" * 100_000, None),
    ],
)
def test_f68_any_text_gives_a_valid_tag_or_none(text: str, tag: str | None) -> None:
    assert tag_from_text(text) == tag
    assert tag is None or normalize_tag(tag) == tag
