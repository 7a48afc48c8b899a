"""Numbers of bytes as text."""

_UNITS = ("KB", "MB", "GB", "TB", "PB")


def format_bytes(size: float) -> str:
    """Return a number of bytes in the largest unit that fits, such as `1.4 MB`.

    Units are powers of 1024, as in the filter `size:` of queries.
    """
    if size < 1024:
        return f"{size:.0f} {'byte' if size == 1 else 'bytes'}"
    value, unit = size / 1024, 0
    # 1023.95 would be rounded to `1024 KB`.
    while value >= 1023.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if value >= 99.95 else f"{value:.1f} {_UNITS[unit]}"
