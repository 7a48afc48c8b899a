"""Forms of an upload that clients send, besides those of browsers."""

import pytest

from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.raw_http import BOUNDARY_HEADERS

pytestmark = pytest.mark.integration

PLAIN = 'filename="=?utf-8?B?w6kucG5n?="'


def form(parameters: str, *fields: str, first: bytes = b"--b\r\n") -> bytes:
    """A form with the photo and these fields, which begins with these bytes."""
    file = f'Content-Disposition: form-data; name="image"; {parameters}\r\n\r\n'.encode() + png() + b"\r\n"
    others = (f"--b\r\nContent-Disposition: form-data; {one}\r\n".encode() for one in fields)
    return first + file + b"".join(others) + b"--b--\r\n"


@pytest.mark.parametrize(
    "parameters",
    [f"{PLAIN}; filename*=utf-8''%C3%A9.png", "filename*=ISO-8859-1''%E9.png", "filename* = \"UTF-8''%C3%A9.png\""],
)
async def test_f39_an_image_has_its_extended_name(user: Account, parameters: str) -> None:
    made = await user.client.post("/v1/images", content=form(parameters), headers=BOUNDARY_HEADERS)
    assert (made.status_code, made.json()["name"]) == (201, "\xe9.png")


async def test_f39_a_repeated_name_is_refused(user: Account) -> None:
    body = form('filename="a.png"; filename="b.png"')
    refused = await user.client.post("/v1/images", content=body, headers=BOUNDARY_HEADERS)
    assert (refused.status_code, refused.json()["type"]) == (400, "/problems/malformed-body")


@pytest.mark.parametrize("first", [b"text\r\n--b\r\n", b"\r\n\r\n--b\r\n", b"--b \t\r\n"])
async def test_f40_text_before_the_form_is_skipped(user: Account, first: bytes) -> None:
    body = form('filename="a.png"', 'name="_charset_"\r\n\r\nutf-8', first=first)
    made = await user.client.post("/v1/images", content=body, headers=BOUNDARY_HEADERS)
    assert (made.status_code, made.json()["name"]) == (201, "a.png")


async def test_k04_a_repeated_visibility_is_refused(user: Account) -> None:
    fields = ('name="visibility"\r\n\r\npublic', 'name="visibility"\r\n\r\nprivate')
    refused = await user.client.post("/v1/images", content=form('filename="a.png"', *fields), headers=BOUNDARY_HEADERS)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"] == ["body", "visibility"]
