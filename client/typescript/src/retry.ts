/** Repeats a request while the service is busy: status 429 and 503, after `Retry-After`. */

export type Fetch = (request: Request) => Promise<Response>;

const TRIES = 5;
const MAX_WAIT_SECONDS = 30;
const BUSY = new Set([429, 503]);

/** Send a request up to five times, and return the last response. */
export async function fetchWithRetries(request: Request, send: Fetch): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    // A body can be read once, so the last attempt sends the original.
    const response = await send(attempt < TRIES ? request.clone() : request);
    if (!BUSY.has(response.status) || attempt === TRIES) {
      return response;
    }
    await response.body?.cancel();
    await wait(secondsToWait(response.headers.get("Retry-After")));
  }
}

/** Return how long `Retry-After` asks a client to wait (RFC 9110, 10.2.3), at most 30 s. */
export function secondsToWait(retryAfter: string | null): number {
  const value = (retryAfter ?? "").trim();
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? 1 : Math.min(MAX_WAIT_SECONDS, Math.max(0, seconds));
}

export function wait(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
