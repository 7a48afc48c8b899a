"""Files of photographs."""

import io
from pathlib import Path
from typing import Any

import skimage
from PIL import Image

FOLDER = Path(skimage.__file__).parent / "data"


def photograph(name: str = "coffee", kind: str = "PNG", size: tuple[int, int] = (150, 100), **options: Any) -> bytes:
    """Return a file of a photograph, scaled to this size."""
    picture = Image.open(FOLDER / f"{name}.png").convert("RGB").resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
