"""Numbers of bytes as text."""

import pytest

from app.core.text.byte_sizes import format_bytes


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1.0 KB"),
        (102_348, "99.9 KB"),
        (102_399, "100 KB"),
        (1_048_575, "1.0 MB"),
        (3 << 20, "3.0 MB"),
        (2.5 * 2**30, "2.5 GB"),
        (5 << 60, "5120 PB"),
    ],
)
def test_a_size_has_the_largest_unit_that_fits(size: float, text: str) -> None:
    assert format_bytes(size) == text
