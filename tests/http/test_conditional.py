"""Conditions of requests, and cookies: malformed and ambiguous values are ignored."""

from datetime import UTC, datetime, timedelta

import pytest
from fastapi import Request
from starlette.datastructures import Headers

from app.core.errors import PreconditionFailed
from app.http.cookies import single_cookie
from app.http.requests.conditional import check_preconditions, http_date

ETAG = '"e"'
MODIFIED = datetime(2026, 3, 9, 12, 30, 15, 5000, tzinfo=UTC)
NO_DATES = [
    "",
    "*",
    "nonsense",
    "2026-03-09T12:30:15Z",
    "Mon, 09 Mar 2026 12:30:15 +0000",
    "Mon, 09 Mar 2026 12:30:15",
    "Mon, 99 Mar 2026 12:30:15 GMT",
    "Mon, 09 Mar 2026 99:30:15 GMT",
    "Mon, 09 Mar 2026 ::::::::  GMT",
    "Mon, 09 Mar 2026 :::::::: GMT",
    "Mon, 09 Mar 9999999 12:30:15 GMT",
    f"{http_date(MODIFIED)}, {http_date(MODIFIED)}",
    "Xxx, 09 Xxx 0000 00:00:00 GMT",
    "\xb2" * 29,
]


def is_unchanged(name: str, value: str) -> bool:
    return check_preconditions(Headers({name: value}), ETAG, MODIFIED)


@pytest.mark.parametrize("value", NO_DATES)
def test_k04_what_is_no_date_is_ignored(value: str) -> None:
    assert not is_unchanged("If-Modified-Since", value)
    assert not is_unchanged("If-Unmodified-Since", value)


@pytest.mark.parametrize("value", [http_date(MODIFIED), "Monday, 09-Mar-26 12:30:15 GMT", "Mon Mar  9 12:30:15 2026"])
def test_k04_the_three_forms_of_a_date_are_read(value: str) -> None:
    assert is_unchanged("If-Modified-Since", value)
    assert not is_unchanged("If-Unmodified-Since", value)
    with pytest.raises(PreconditionFailed):
        check_preconditions(Headers({"If-Unmodified-Since": value}), ETAG, MODIFIED + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("value", "is_listed"),
    [
        ("*", True),
        (ETAG, True),
        (f'"a" , {ETAG}', True),
        (f'"a,b",{ETAG}', True),
        ("e", False),
        ('"a, e"', False),
        ("", False),
        ('"e', False),
        ('*, "a"', False),
        ("W/", False),
    ],
)
def test_k04_only_entity_tags_are_compared(value: str, *, is_listed: bool) -> None:
    assert is_unchanged("If-None-Match", value) is is_listed
    if is_listed:
        assert not is_unchanged("If-Match", value)
    else:
        with pytest.raises(PreconditionFailed):
            is_unchanged("If-Match", value)


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        (["a=1; s=2"], "2"),
        (["a=1", "s=2"], "2"),
        (["a=1"], None),
        ([], None),
        (["s=2; s=3"], None),
        (["s=2", "s=2"], None),
        (["s=2; s"], None),
        (["S=3; s=2"], "2"),
        ([";;=;s="], ""),
    ],
)
def test_k04_a_repeated_cookie_is_absent(lines: list[str], value: str | None) -> None:
    headers = [(b"cookie", line.encode()) for line in lines]
    assert single_cookie(Request({"type": "http", "headers": headers}), "s") == value
