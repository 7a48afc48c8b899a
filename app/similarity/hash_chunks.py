"""Keys of the index over perceptual hashes: multi-index hashing.

A hash of 256 bits has 16 chunks of 16 bits. If two hashes differ in at most 15 bits, one chunk is equal. If they differ
in at most 31 bits, one chunk differs in at most one bit. So the index finds every hash within these distances, without
a scan. Source: Norouzi, Punjani and Fleet, "Fast Exact Search in Hamming Space with Multi-Index Hashing", 2014.
"""

from collections.abc import Sequence

CHUNKS = 16
CHUNK_BITS = 16
CHUNK_VALUES = 1 << CHUNK_BITS
# The largest distance at which the chunks of `list_search_keys` find every hash.
MAX_DISTANCE = 2 * CHUNKS - 1
# Below this quality, rounding decides most of the bits.
MIN_QUALITY = 4


def list_chunks(perceptual_hash: bytes, quality: int) -> list[int] | None:
    """Return the keys under which a hash is stored; None if its quality is too low to be found."""
    if quality < MIN_QUALITY:
        return None
    return [
        number * CHUNK_VALUES + int.from_bytes(perceptual_hash[2 * number : 2 * number + 2], "big")
        for number in range(CHUNKS)
    ]


def list_search_keys(chunks: Sequence[int], max_distance: int) -> Sequence[int]:
    """Return the keys that find every hash within a distance. Raises ValueError for one above MAX_DISTANCE."""
    if max_distance > MAX_DISTANCE:
        raise ValueError(max_distance)
    if max_distance < CHUNKS:
        return chunks
    return [key for chunk in chunks for key in (chunk, *(chunk ^ 1 << bit for bit in range(CHUNK_BITS)))]


def bit_text(perceptual_hash: bytes) -> str:
    """Return a hash as PostgreSQL writes a `bit(256)`."""
    return f"{int.from_bytes(perceptual_hash, 'big'):0{8 * len(perceptual_hash)}b}"
