"""An independent conformance suite of Resumable Uploads for HTTP, run against the service.

The suite uploads bytes that are no images, so the check of the file's content accepts any bytes here.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import cast

import pytest

from app.core.settings import Settings
from app.images.dependencies import get_file_checker
from app.images.upload.file_checker import FileChecker
from app.main import create_app
from app.media.image_header import HeaderReader, ImageHeader
from app.media.image_properties import HASH_BYTES, Dimensions, ImageProperties, PerceptualHash
from app.storage.s3_client import Chunks
from tests.support.server import serving

CHECKOUT = os.environ.get("RUFH_CHECKOUT")
SCRIPT = "rufh_conformity_test.py"
HEADER = ImageHeader("image/png", 1, 1)


class _AnyHeader:
    def feed(self, _chunk: bytes) -> ImageHeader | None:
        return HEADER

    def finish(self) -> ImageHeader:
        return HEADER


class _AnyFile(FileChecker):
    def __init__(self) -> None:
        """Need no backend."""

    def header_reader(self) -> HeaderReader:
        return cast("HeaderReader", _AnyHeader())

    async def check_bytes(self, _header: ImageHeader, _body: Chunks) -> ImageProperties:
        return ImageProperties(Dimensions(1, 1), PerceptualHash(bytes(HASH_BYTES), 0))

    async def check_object(self, _header: ImageHeader, _key: str, _size: int) -> ImageProperties:
        return ImageProperties(Dimensions(1, 1), PerceptualHash(bytes(HASH_BYTES), 0))


@pytest.mark.skipif(CHECKOUT is None, reason="RUFH_CHECKOUT is not set; see tests/README.md")
@pytest.mark.integration
@pytest.mark.usefixtures("sql")
async def test_the_conformance_suite_passes(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"anonymous_upload": True}))
    app.dependency_overrides[get_file_checker] = _AnyFile
    script = Path(CHECKOUT or "").resolve() / "scripts" / SCRIPT
    async with serving(app) as url:
        arguments = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *arguments, f"--url={url}/v1/uploads", str(script)),
            cwd=script.parent,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[-20_000:]
