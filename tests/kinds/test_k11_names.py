"""K11: one rule for each kind of name, for storage, comparison, URLs and the import command."""

import asyncio
import json
import re
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote, unquote, urlsplit

import httpx
import pytest
import requests
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from app.core.text.email_addresses import email_key
from app.core.text.normalization import BIDI_CONTROLS, DEFAULT_IGNORABLE
from app.core.text.tag_names import RESERVED, normalize_tag, normalize_tag_pattern, normalize_tags, tag_from_text
from app.images.upload.filenames import normalize_name
from app.users.accounts.email import normalize_email
from tests.support.accounts import Account
from tests.support.examples import examples
from tests.support.photos import png

# Names that were or could be confused: path segments, invisible characters, marks, joiners, punctuation.
PIECES = st.one_of(
    st.sampled_from([*"/?#&+:~-'!()_;\\*.", "..", "%2e"]),
    st.sampled_from(["or", "AND", "Not", "cat", "İ", "ß", "Σ", "\ufb01", "ǅ"]),
    st.sampled_from(["한", "हि", "น้ำ", "க்", "क\u094d", "ष", "می", "شوم"]),
    st.sampled_from([*"\u0301\u0315\u0345\u20dd\ufe0f\u200c\u200d\u034f\u3164\u00ad"]),
    st.sampled_from([*" \u3000\u00a0\u2028\t\n\0\x85\u200b\u202e\u2066\u061c"]),
    st.sampled_from(["❤\ufe0f", "👨\u200d👩", "\U000e0041", "\ud800", "\udcff", "\ufdd0", "\U0010ffff"]),
    st.characters(),
)
TEXTS = st.one_of(st.lists(PIECES, max_size=8).map("".join), st.text(max_size=80))
QUICK = settings(examples(2), database=None, derandomize=True)
NORMALIZERS: dict[str, Callable[[str], str]] = {
    "tag": normalize_tag,
    "tag pattern": lambda text: normalize_tag_pattern(f"{text}*"),
    "image": normalize_name,
    "e-mail address": lambda text: normalize_email(f"{text}@example.com"),
}


def drawn(texts: st.SearchStrategy[str], number: int) -> list[str]:
    """Return texts, the same ones at each run."""
    found: list[str] = []

    @settings(max_examples=number, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    @given(texts)
    def collect(text: str) -> None:
        found.append(text)

    collect()
    return found


def accepted(normalize: Callable[[str], str], number: int) -> list[str]:
    """Return different names that the rule accepts, the same ones at each run."""
    names: dict[str, None] = {}
    for text in drawn(TEXTS, 40 * number):
        with suppress(ValueError):
            names[normalize(text)] = None
    return list(names)[:number]


def is_ignorable(char: str) -> bool:
    return any(first <= ord(char) <= last for first, last in DEFAULT_IGNORABLE)


@pytest.mark.parametrize("kind", NORMALIZERS)
def test_k11_normalising_is_idempotent(kind: str) -> None:
    normalize = NORMALIZERS[kind]

    @QUICK
    @given(TEXTS)
    def check(text: str) -> None:
        try:
            name = normalize(text)
        except ValueError:
            return
        again = name.removesuffix("*") if kind == "tag pattern" else name.removesuffix("@example.com")
        assert normalize(name if kind in ("tag", "image") else again) == name
        assert unicodedata.normalize("NFC", name) == name
        assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in text)

    check()


@QUICK
@given(TEXTS)
def test_k11_an_accepted_tag_is_visible_and_survives_a_path(text: str) -> None:
    try:
        tag = normalize_tag(text)
    except ValueError:
        return
    assert tag not in RESERVED
    assert not any(is_ignorable(char) for char in tag.replace("\u200c", "").replace("\u200d", ""))
    assert unicodedata.category(tag[0])[0] != "M"
    assert [decoded(url) for url in urls(tag)] == [tag] * 3


@QUICK
@given(TEXTS)
def test_k11_an_accepted_image_name_is_visible(text: str) -> None:
    try:
        name = normalize_name(text)
    except ValueError:
        return
    assert name not in (".", "..")
    assert any(not is_ignorable(char) and not char.isspace() for char in name)
    assert not BIDI_CONTROLS & set(name)


@QUICK
@given(TEXTS)
@example("Zu\u0308rich")
@example("a_\u0345")
def test_k11_any_text_gives_what_the_api_stores_or_nothing(text: str) -> None:
    tag = tag_from_text(text)
    with suppress(ValueError):
        assert tag == normalize_tag(text)
    assert tag is None or normalize_tags([tag]) == [tag] == [tag_from_text(tag)]


@QUICK
@given(TEXTS)
def test_k11_the_key_of_an_address_is_stable(text: str) -> None:
    with suppress(ValueError):
        key = email_key(normalize_email(f"{text}@example.com"))
        assert email_key(key) == key


def urls(tag: str) -> list[str]:
    """Return the URL of a tag as three kinds of clients send it."""
    base, path = "http://service", f"/v1/images/1/tags/{quote(tag, safe='')}"
    prepared = requests.Request("GET", base + path).prepare().url
    assert prepared is not None
    return [str(httpx.URL(base + path)), prepared, whatwg_join(base, path)]


def whatwg_join(base: str, path: str) -> str:
    """Return the URL with its dot segments removed, percent-encoded ones, too (WHATWG URL, path state)."""
    segments: list[str] = []
    for segment in path.split("/")[1:]:
        if re.fullmatch(r"(\.|%2e){2}", segment, re.IGNORECASE):
            segments = segments[:-1]
        elif not re.fullmatch(r"\.|%2e", segment, re.IGNORECASE):
            segments.append(segment)
    return f"{base}/{'/'.join(segments)}"


def decoded(url: str) -> str:
    """Return the last of the five segments of the URL's path."""
    segments = urlsplit(url).path.split("/")[1:]
    return unquote(segments[4]) if len(segments) == 5 else f"{len(segments)} segments"


def test_k11_the_clients_do_remove_dot_segments() -> None:
    assert [url for url in urls("..") if ".." in url or decoded(url) == ".."] == []


SPECIAL_TAGS = [
    *("...", "a.", ".a", "a#b", "a&b", "a+b", "c: d", "it's!", "(x", "x)", "2-of:(x", "date:2026", "or (x)", "!"),
]


async def test_k11_an_accepted_tag_can_be_read_found_renamed_and_removed(admin: Account) -> None:
    names = [*SPECIAL_TAGS, *accepted(normalize_tag, 8)]
    assert len(names) > 20
    base = str(admin.client.base_url).rstrip("/")
    other_client = requests.Session()
    other_client.headers["Authorization"] = f"Bearer {admin.access_token}"
    made = await admin.client.post("/v1/images", files={"image": ("a.png", png())})
    image = made.json()["links"]["self"]
    put = await admin.client.put(f"{image}/tags", json={"tags": names})
    assert sorted(put.json()["tags"]) == sorted(set(names))
    for number, name in enumerate(names):
        segment = quote(name, safe="")
        read = [
            (await admin.client.get(f"/v1/tags/{segment}")).json(),
            (await asyncio.to_thread(other_client.get, f"{base}/v1/tags/{segment}", timeout=30)).json(),
        ]
        assert [one["name"] for one in read] == [name, name]
        found = (await admin.client.get("/v1/images", params={"q": f'"{name}"'})).json()
        assert [one["id"] for one in found["items"]] == [made.json()["id"]], name
        again = (await admin.client.get("/v1/images", params={"q": found["query"]})).json()
        assert again["query"] == found["query"]
        renamed = await admin.client.patch(f"/v1/tags/{segment}", json={"name": f"renamed {number}"})
        assert renamed.status_code == 200, (name, renamed.text)
        back = await admin.client.patch(f"/v1/tags/renamed {number}", json={"name": name})
        assert back.json()["name"] == name
        removed = await admin.client.delete(f"{image}/tags/{segment}")
        assert name not in removed.json()["tags"]
        assert (await admin.client.delete(f"/v1/tags/{segment}")).status_code == 204
    other_client.close()
    assert (await admin.client.get(image)).json()["tags"] == []


SPECIAL_IMAGES = ["...", "a*b.png", "a?b.png", 'a"b.png', "a%2e.png", "a;b.png", " a.png ", "❤\ufe0f.png"]


async def test_k11_an_accepted_image_name_can_be_found_renamed_and_deleted(user: Account) -> None:
    names = [*SPECIAL_IMAGES, *accepted(normalize_name, 15)]
    assert len(names) > 20
    made = await user.client.post("/v1/images", files={"image": ("a.png", png())})
    image = made.json()["links"]["self"]
    for name in names:
        renamed = await user.client.patch(image, json={"name": name})
        assert renamed.json().get("name") == name, renamed.text
        if '"' not in name:
            found = await user.client.get("/v1/images", params={"q": f'name:"{name}"'})
            assert [one["name"] for one in found.json()["items"]] == [name]
        content = await user.client.get(f"{image}/content")
        assert content.status_code == 200
        assert filename(content.headers["content-disposition"]) == name
    assert (await user.client.delete(image)).status_code == 204


def filename(disposition: str) -> str:
    """Return the file name of a Content-Disposition field (RFC 6266): the extended one if there is one."""
    extended = re.search(r"filename\*=[Uu][Tt][Ff]-8''([^;]+)", disposition)
    if extended:
        return unquote(extended[1])
    plain = re.search(r'filename="((?:[^"\\]|\\.)*)"', disposition)
    return re.sub(r"\\(.)", r"\1", plain[1]) if plain else disposition


async def test_k11_a_name_is_refused_or_stored_alike_at_each_entrance(admin: Account) -> None:
    image = (await admin.client.post("/v1/images", files={"image": ("a.png", png())})).json()["links"]["self"]
    wrong = []
    for name in drawn(TEXTS, 25):
        entrances = {
            "create": ("POST", "/v1/tags", {"names": [name]}),
            "replace": ("PUT", f"{image}/tags", {"tags": [name]}),
            "bulk": ("POST", "/v1/images/tags", {"q": "nothing", "add": [name]}),
        }
        for entrance, (method, path, body) in entrances.items():
            headers = {"Content-Type": "application/json"}
            # Not by `json=`, which refuses lone surrogates itself.
            response = await admin.client.request(method, path, content=json.dumps(body), headers=headers)
            if response.status_code not in ((200, 201) if is_tag(name) else (422,)):
                wrong.append((entrance, ascii(name), response.status_code))
    assert wrong == []


def is_tag(text: str) -> bool:
    try:
        return bool(normalize_tag(text))
    except ValueError:
        return False
