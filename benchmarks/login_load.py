"""Measures how 100 concurrent sign-ins affect the latency of other requests.

`python -m benchmarks.login_load` measures `GET /v1/users/me` and `GET /healthz` alone, and while 100 sign-ins wait
for a thread that verifies their passwords.
"""

import asyncio
import statistics
import time

import httpx

from benchmarks.login_timing import own_service

SIGN_INS = 100
ALONE_SECONDS = 5.0
CREDENTIALS = {"email": "ada@example.com", "password": "correct horse battery staple"}
FORM = {"grant_type": "password", "username": CREDENTIALS["email"], "password": CREDENTIALS["password"]}


async def latencies(client: httpx.AsyncClient, path: str, until: asyncio.Event) -> list[float]:
    """Send one request after the other; return the milliseconds of each."""
    taken = []
    while not until.is_set():
        began = time.perf_counter()
        (await client.get(path)).raise_for_status()
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def show(name: str, taken: list[float]) -> None:
    """Print one line."""
    ordered = sorted(taken)
    p99 = ordered[int(len(ordered) * 0.99) - 1]
    print(f"{name}: {len(taken)} requests, median {statistics.median(taken):.1f} ms, p99 {p99:.1f} ms")


async def measure(url: str) -> None:
    """Measure without sign-ins, then with them."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as client:
        (await client.post("/v1/users", json=CREDENTIALS)).raise_for_status()
        tokens = (await client.post("/v1/auth/token", data=FORM)).json()
        client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        for path in ("/healthz", "/v1/users/me"):
            done = asyncio.Event()
            asyncio.get_running_loop().call_later(ALONE_SECONDS, done.set)
            show(f"{path} alone", await latencies(client, path, done))
            done = asyncio.Event()
            others = asyncio.create_task(latencies(client, path, done))
            began = time.perf_counter()
            responses = await asyncio.gather(*(client.post("/v1/auth/token", data=FORM) for _ in range(SIGN_INS)))
            seconds = time.perf_counter() - began
            done.set()
            show(f"{path} during {SIGN_INS} sign-ins ({seconds:.1f} s)", await others)
            print(f"  sign-ins answered with {sorted({one.status_code for one in responses})}")


def main() -> None:
    """Measure and print."""
    with own_service() as url:
        asyncio.run(measure(url))


if __name__ == "__main__":
    main()
