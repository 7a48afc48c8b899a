"""Which names images may have."""

import httpx
import pytest

from app.images.upload.filenames import normalize_name
from tests.support.accounts import Account
from tests.support.photos import png

REFUSED = {
    "dot": ".",
    "two dots": "..",
    "Hangul filler": "\u3164",
    "zero-width space": "\u200b.png",
    "byte order mark": "\ufeff.png",
    "soft hyphen": "ca\u00adt.png",
    "Arabic letter mark": "\u061c",
    "left-to-right mark": "\u200e",
    "right-to-left mark": "cat\u200fgnp.exe",
    "override": "cat\u202egnp.exe",
    "isolate": "\u2066cat.png",
    "tag character": "\U000e0041",
    "line separator": "a\u2028b.png",
    "paragraph separator": "a\u2029b.png",
    "blank symbol": "\u2800",
    "white space": " \u3000",
    "joiner alone": "\u200d",
    "joiners": "é\u200d\u200dé",
    "joiner between Latin letters": "cat\u200ddog.png",
    "variation of a Latin letter": "a\ufe0f.png",
    "line feed at the end": "cat.png\n",
    "too long": "x" * 256,
    "too many bytes": "猫" * 255 + "x" * 10,
}
ACCEPTED = [
    "...",
    ".hidden.png",
    "%2e%2e",
    "👨\u200d👩\u200d👧.png",
    "❤\ufe0f.png",
    "1\ufe0f\u20e3.png",
    "🏳\ufe0f\u200d🌈.png",
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f.png",
    "می\u200cشوم.jpg",
    "क\u094d\u200dष.png",
    "葛\U000e0100.png",
    "x" * 255,
]


@pytest.mark.parametrize("name", REFUSED.values(), ids=REFUSED)
def test_f37_invisible_names_and_path_segments_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"a name (has|must)"):
        normalize_name(name)


@pytest.mark.parametrize("name", ACCEPTED)
def test_f37_what_is_displayed_is_accepted(name: str) -> None:
    assert normalize_name(name) == name


@pytest.mark.parametrize("name", [".", "..", "\u3164", "\u200b.png", "\u061c", "\U000e0041"])
async def test_f37_uploads_and_renames_are_refused(user: Account, name: str) -> None:
    refused = await user.client.post("/v1/images", files={"image": (name, png())})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"][:2] == ["body", "image"]
    image = (await user.client.post("/v1/images", files={"image": ("a.png", png())})).json()["links"]["self"]
    renamed = await user.client.patch(image, json={"name": name})
    assert renamed.status_code == 422


async def test_f37_an_emoji_name_is_stored_as_sent(user: Account, client: httpx.AsyncClient) -> None:
    name = "👨\u200d👩\u200d👧.png"
    made = await user.client.post("/v1/images", files={"image": (name, png())})
    assert made.json()["name"] == name
    found = await client.get("/v1/images", params={"q": f'name:"{name}"'})
    assert [one["name"] for one in found.json()["items"]] == [name]
