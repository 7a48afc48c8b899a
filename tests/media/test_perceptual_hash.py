"""Perceptual hashes: copies of a picture are near, other pictures are far."""

import io
from itertools import combinations
from pathlib import Path

import pytest
import skimage
from PIL import Image, ImageEnhance, ImageOps

from app.media.hashing.perceptual_hash import hash_pixels
from app.media.image_properties import MAX_QUALITY, PerceptualHash
from app.similarity.hash_chunks import CHUNKS, MAX_DISTANCE, MIN_QUALITY, list_chunks, list_search_keys

FOLDER = Path(skimage.__file__).parent / "data"
PHOTOGRAPHS = ("astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "gravel.png")
EXIF_TRANSPOSITIONS = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}


def photograph(name: str) -> Image.Image:
    return Image.open(FOLDER / name).convert("RGB")


def hash_of(picture: Image.Image) -> PerceptualHash:
    return hash_pixels(picture, 1)


def distance(one: PerceptualHash, other: PerceptualHash) -> int:
    return (int.from_bytes(one.bits, "big") ^ int.from_bytes(other.bits, "big")).bit_count()


def saved(picture: Image.Image, kind: str, **options: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return Image.open(io.BytesIO(file.getvalue()))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_copies_are_near(name: str) -> None:
    picture = photograph(name)
    width, height = picture.size
    expected = hash_of(picture)
    assert expected.quality >= MIN_QUALITY
    copies = [
        picture.resize((width // 2, height // 2), Image.Resampling.LANCZOS),
        picture.resize((width * 3 // 2, height * 3 // 2), Image.Resampling.BICUBIC),
        saved(picture, "JPEG", quality=30),
        saved(picture, "WEBP", quality=60),
        ImageEnhance.Brightness(picture).enhance(0.8),
    ]
    assert max(distance(expected, hash_of(copy)) for copy in copies) <= MAX_DISTANCE


def test_different_pictures_are_far() -> None:
    hashes = [hash_of(photograph(name)) for name in PHOTOGRAPHS]
    assert min(distance(*pair) for pair in combinations(hashes, 2)) > 2 * MAX_DISTANCE


@pytest.mark.parametrize(("orientation", "stored_as"), EXIF_TRANSPOSITIONS.items())
def test_the_orientation_is_applied(orientation: int, stored_as: Image.Transpose) -> None:
    picture = ImageOps.fit(photograph("coffee.png"), (256, 256))
    stored = picture.transpose(stored_as)
    assert distance(hash_of(picture), hash_pixels(stored, orientation)) <= 4
    assert distance(hash_of(picture), hash_of(stored)) > MAX_DISTANCE


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "LA", "RGBA", "CMYK", "I;16", "1"])
def test_every_mode_has_a_hash(mode: str) -> None:
    picture = photograph("coffee.png")
    converted = picture.convert("L").convert("I;16") if mode == "I;16" else picture.convert(mode)
    found = hash_of(converted)
    assert len(found.bits) == 32
    assert 0 <= found.quality <= MAX_QUALITY


def test_transparent_pixels_are_white() -> None:
    picture = photograph("coffee.png").convert("RGBA")
    picture.paste((255, 0, 0, 0), (0, 0, 300, 200))
    white = photograph("coffee.png")
    white.paste("white", (0, 0, 300, 200))
    assert distance(hash_of(picture), hash_of(white)) <= 2


def test_large_pictures_are_sampled() -> None:
    picture = photograph("coffee.png")
    large = picture.resize((picture.width * 4, picture.height * 4), Image.Resampling.BICUBIC)
    assert distance(hash_of(picture), hash_of(large)) <= MAX_DISTANCE


@pytest.mark.parametrize("picture", [Image.new("RGB", (300, 200), "red"), Image.linear_gradient("L")])
def test_flat_pictures_are_not_searched(picture: Image.Image) -> None:
    found = hash_of(picture)
    assert found.quality < MIN_QUALITY
    assert list_chunks(*found) is None


@pytest.mark.parametrize(("max_distance", "flipped"), [(15, 15), (31, 31)])
def test_the_keys_find_every_hash_within_the_distance(max_distance: int, flipped: int) -> None:
    bits = hash_of(photograph("coffee.png")).bits
    stored = list_chunks(bits, MAX_QUALITY)
    assert stored is not None
    # The worst case: the different bits are spread evenly over the chunks.
    places = [16 * (number % CHUNKS) + number // CHUNKS for number in range(flipped)]
    other = int.from_bytes(bits, "big") ^ sum(1 << place for place in places)
    searched = list_chunks(other.to_bytes(32, "big"), MAX_QUALITY)
    assert searched is not None
    assert set(list_search_keys(searched, max_distance)) & set(stored)
