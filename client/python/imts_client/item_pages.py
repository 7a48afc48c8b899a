"""Iterates over the items of all pages of a list."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Protocol, TypeVar

from .generated.types import UNSET, Unset

T = TypeVar("T")


class Page(Protocol[T]):
    """A page of any list."""

    items: list[T]
    next_cursor: str | Unset | None


def iterate_items(fetch: Callable[[str | Unset], Page[T]]) -> Iterator[T]:
    """Yield the items of all pages. `fetch` returns the page of a cursor; the first one has none."""
    cursor: str | Unset | None = UNSET
    while cursor is not None:
        page = fetch(cursor)
        yield from page.items
        cursor = page.next_cursor or None


async def iterate_items_async(fetch: Callable[[str | Unset], Awaitable[Page[T]]]) -> AsyncIterator[T]:
    """Yield the items of all pages. `fetch` returns the page of a cursor; the first one has none."""
    cursor: str | Unset | None = UNSET
    while cursor is not None:
        page = await fetch(cursor)
        for item in page.items:
            yield item
        cursor = page.next_cursor or None
