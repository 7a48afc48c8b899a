/** Iterates over the items of all pages of a list. */

export interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}

/** Yield the items of all pages. `fetchPage` returns the page of a cursor; the first one has none. */
export async function* iterateItems<T>(fetchPage: (cursor?: string) => Promise<Page<T>>): AsyncGenerator<T> {
  let cursor: string | null | undefined;
  do {
    const page: Page<T> = await (cursor ? fetchPage(cursor) : fetchPage());
    yield* page.items;
    cursor = page.next_cursor;
  } while (cursor);
}
