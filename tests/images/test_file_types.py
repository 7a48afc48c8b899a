"""The error for a file that is not a supported image names its type."""

import io

import httpx
import pytest
from PIL import Image

from tests.http.problem_documents import problem
from tests.support.accounts import Account

pytestmark = pytest.mark.integration


def saved(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "description"),
    [
        (saved("TIFF"), "a TIFF image"),
        (saved("BMP"), "a BMP image"),
        (b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG image"),
        (b"%PDF-1.7\n1 0 obj\n<<>>", "a PDF document"),
        (b"", "empty"),
        (b"\x01" * 40, "of an unknown type"),
    ],
)
async def test_f77_the_type_of_the_file_and_the_supported_ones_are_named(
    user: Account, content: bytes, description: str
) -> None:
    response = await user.client.post("/v1/images", files={"image": ("file.png", content, "image/png")})
    document = problem(response, 415, "unsupported-media-type")
    assert document["title"] == "Unsupported media type"
    assert f"The file is {description}" in document["detail"]
    for media_type in ("image/jpeg", "image/png", "image/webp", "image/gif", "image/avif", "image/heic"):
        assert media_type in document["detail"]


async def test_f77_a_request_of_another_type_has_a_title_of_its_own(user: Account) -> None:
    response: httpx.Response = await user.client.post("/v1/images", json={})
    assert problem(response, 415, "unsupported-media-type")["title"] == "Unsupported media type"
