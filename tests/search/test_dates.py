"""The ends of date ranges, and of the calendar."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from app.search.language.filters import (
    DATE_FILTERS,
    RANGE_FILTERS,
    InvalidFilterValue,
    normalize_value,
    parse_range_filter,
)
from tests.support.accounts import Account
from tests.tags.helpers import read, upload

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
OLDEST, NEWEST = datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
ENDS = ["0001", "0001-01", "0001-01-01", "0001-01-01t00:00", "0001-01-01t00:00+14:00", "99999y"]
ENDS += ["9999", "9999-12", "9999-12-31", "9999-12-31t23:59", "9999-12-31t23:59:59", "9999-12-31t23:59-14:00"]
MOMENTS = [OLDEST, NOW - timedelta(days=1), NOW, NEWEST]


def covers(value: str, moment: datetime) -> bool:
    bounds = parse_range_filter("date", normalize_value("date", value), NOW)
    above = bounds.low is None or moment > bounds.low or (bounds.low_included and moment == bounds.low)
    below = bounds.high is None or moment < bounds.high or (bounds.high_included and moment == bounds.high)
    return above and below


@pytest.mark.parametrize("end", ENDS)
def test_f53_a_date_at_an_end_of_the_calendar_is_valid_and_splits_it(end: str) -> None:
    for moment in MOMENTS:
        assert covers(f"{end}..", moment) == covers(f">={end}", moment)
        assert covers(f"..{end}", moment) == covers(f"<={end}", moment)
        assert covers(f"<{end}", moment) != covers(f">={end}", moment)
        assert covers(f">{end}", moment) != covers(f"<={end}", moment)


@pytest.mark.parametrize(
    ("query", "found"), [("9999", 0), ("..9999-12-31", 1), (">9999", 0), ("<0001", 0), ("0001..", 1)]
)
async def test_f53_dates_at_the_ends_are_searched_for(
    user: Account, client: httpx.AsyncClient, query: str, found: int
) -> None:
    await upload(user)
    assert len((await read(client, "/v1/images", q=f"date:{query}"))["items"]) == found


@pytest.mark.parametrize("name", [name for name in RANGE_FILTERS if name not in DATE_FILTERS])
@pytest.mark.parametrize("value", ["0", "1", "9223372036854775807"])
async def test_f53_numbers_at_the_ends_are_searched_for_or_refused(
    client: httpx.AsyncClient, name: str, value: str
) -> None:
    for text in (value, f">{value}", f"<={value}", f"..{value}", f"{value}.."):
        response = await client.get("/v1/images", params={"q": f"{name}:{text}"})
        try:
            normalize_value(name, text)
        except InvalidFilterValue:
            assert response.status_code == 400
        else:
            assert response.status_code == 200
