"""Recall and precision of the perceptual hash, on copies of photographs and on unrelated pictures.

`python -m benchmarks.similar_images [--pictures 10000]` prints JSON. The photographs are those of scikit-image. If the
package `imagehash` is installed, its `phash` with 256 bits is an independent comparison: `pip install imagehash`.
"""

import argparse
import importlib
import io
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import skimage
from PIL import Image, ImageDraw, ImageEnhance

from app.media.hashing.perceptual_hash import hash_pixels
from app.similarity.hash_chunks import MAX_DISTANCE, MIN_QUALITY

FOLDER = Path(skimage.__file__).parent / "data"
PHOTOGRAPHS = (
    *("astronaut", "brick", "camera", "cell", "chelsea", "clock_motion", "coffee", "coins", "grass", "gravel"),
    *("hubble_deep_field", "ihc", "microaneurysms", "moon", "motorcycle_left", "retina", "rocket"),
)
TEXT = "abcdefghij klmno"
# Returns the 256 bits of a picture, and its quality.
Hash = Callable[[Image.Image], tuple[int, int]]


def own_hash(picture: Image.Image) -> tuple[int, int]:
    """Return the hash of the service."""
    found = hash_pixels(picture, 1)
    return int.from_bytes(found.bits, "big"), found.quality


def list_hashes() -> dict[str, Hash]:
    """Return the methods to compare, by name."""
    methods: dict[str, Hash] = {"service": own_hash}
    try:
        imagehash: Any = importlib.import_module("imagehash")
    except ImportError:
        return methods

    def phash(picture: Image.Image) -> tuple[int, int]:
        return int(str(imagehash.phash(picture, hash_size=16)), 16), own_hash(picture)[1]

    return {**methods, "imagehash.phash": phash}


def load_photographs() -> dict[str, Image.Image]:
    """Return the photographs by name, without alpha."""
    paths = [path for name in PHOTOGRAPHS for path in FOLDER.glob(f"{name}.*")]
    return {path.stem: Image.open(path).convert("RGB") for path in paths}


def copies(picture: Image.Image) -> Iterator[tuple[str, Image.Image]]:
    """Yield copies of a picture and their kinds."""
    width, height = picture.size
    for numerator, denominator in ((1, 2), (1, 4), (3, 2), (2, 3)):
        size = (width * numerator // denominator, height * numerator // denominator)
        yield "rescaled", picture.resize(size, Image.Resampling.LANCZOS)
    for quality in (20, 40, 60, 85):
        yield "recompressed", _encoded(picture, "JPEG", quality=quality)
    yield "converted", _encoded(picture, "WEBP", quality=60)
    yield "converted", picture.quantize(64)
    for factor in (0.8, 1.2):
        yield "brightness", ImageEnhance.Brightness(picture).enhance(factor)
    for percent in (1, 3):
        margin_x, margin_y = width * percent // 100, height * percent // 100
        yield f"cropped by {percent} %", picture.crop((margin_x, margin_y, width - margin_x, height - margin_y))
    marked = picture.copy()
    ImageDraw.Draw(marked).text((width // 2, height // 2), "(c) example.com", "white", font_size=max(12, height // 15))
    yield "watermarked", marked


def _encoded(picture: Image.Image, kind: str, **options: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return Image.open(buffer)


def unrelated(photographs: dict[str, Image.Image], number: int) -> Iterator[Image.Image]:
    """Yield cells of the photographs, then generated pictures."""
    for picture in photographs.values():
        width, height = picture.size
        for place in range(36):
            left, top = width * (place % 6) // 6, height * (place // 6) // 6
            yield picture.crop((left, top, left + width // 6, top + height // 6))
    dice, noise = random.Random(1), np.random.default_rng(1)
    for place in range(number - 36 * len(photographs)):
        if place % 3 == 0:
            side = dice.randint(3, 24)
            cells = noise.integers(0, 256, (side, side, 3), dtype=np.uint8)
            yield Image.fromarray(cells).resize((200, 200), Image.Resampling.BICUBIC)
        else:
            yield _shapes(dice) if place % 3 == 1 else _text(dice)


def _shapes(dice: random.Random) -> Image.Image:
    picture = Image.new("RGB", (300, 200), (dice.randrange(256), dice.randrange(256), dice.randrange(256)))
    draw = ImageDraw.Draw(picture)
    for _ in range(dice.randint(1, 25)):
        left, top = dice.randint(-50, 300), dice.randint(-50, 200)
        box = (left, top, left + dice.randint(5, 200), top + dice.randint(5, 150))
        draw.ellipse(box, (dice.randrange(256), dice.randrange(256), dice.randrange(256)))
    return picture


def _text(dice: random.Random) -> Image.Image:
    picture = Image.new("L", (300, 200), 255)
    for top in range(10, 190, dice.randint(12, 30)):
        ImageDraw.Draw(picture).text((10, top), "".join(dice.choices(TEXT, k=dice.randint(5, 45))), 0)
    return picture


def evaluate(method: Hash, photographs: dict[str, Image.Image], number: int) -> dict[str, Any]:
    """Return the recall for each kind of copy, and the pairs of unrelated pictures within MAX_DISTANCE."""
    distances: dict[str, list[int]] = defaultdict(list)
    for picture in photographs.values():
        origin, _ = method(picture)
        for kind, copy in copies(picture):
            distances[kind].append((origin ^ method(copy)[0]).bit_count())
    hashes = [method(picture) for picture in [*photographs.values(), *unrelated(photographs, number)]]
    kept = [bits.to_bytes(32, "big") for bits, quality in hashes if quality >= MIN_QUALITY]
    false_pairs, nearest = count_pairs(np.frombuffer(b"".join(kept), dtype=np.uint8).reshape(-1, 32))
    return {
        "recall": {kind: sum(one <= MAX_DISTANCE for one in all_) / len(all_) for kind, all_ in distances.items()},
        "largest_distance": {kind: max(all_) for kind, all_ in distances.items()},
        "unrelated": {"pictures": len(hashes), "hashed": len(kept), "pairs": false_pairs, "nearest": nearest},
    }


def count_pairs(hashes: np.ndarray[Any, Any]) -> tuple[int, int]:
    """Return the number of pairs within MAX_DISTANCE, and the smallest distance."""
    pairs, nearest = 0, 256
    for place in range(len(hashes) - 1):
        distances = np.bitwise_count(hashes[place] ^ hashes[place + 1 :]).sum(axis=1)
        pairs += int((distances <= MAX_DISTANCE).sum())
        nearest = min(nearest, int(distances.min()))
    return pairs, nearest


def main() -> None:
    """Evaluate every method that is installed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=10_000, help="the number of unrelated pictures")
    number = parser.parse_args().pictures
    photographs = load_photographs()
    results = {name: evaluate(method, photographs, number) for name, method in list_hashes().items()}
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
