"""Measures whether the time of a refused sign-in reveals which e-mail addresses have accounts.

`python -m benchmarks.login_timing [--pairs 300]` measures interleaved pairs in random order against its own servers.
It prints the AUC: the probability that a known address takes longer than an unknown one. 0.5 reveals nothing; the
target is 0.45-0.55. The rate limits are raised, because they would end the measurement.
"""

import argparse
import asyncio
import random
import statistics
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from app.core.settings import Settings
from app.db.schema.schema_upgrade import upgrade
from devstack import Stack
from tests.support.processes import service_process

UNLIMITED = dict.fromkeys(("account", "address", "total"), "1000000/second")
KNOWN, UNKNOWN = "known@example.com", "unknown@example.com"


def auc(longer: Sequence[float], shorter: Sequence[float]) -> float:
    """Return the probability that a value of `longer` is the greater one, ties counting half (Mann-Whitney U)."""
    ordered = sorted(shorter)
    wins = sum(bisect_left(ordered, one) + bisect_right(ordered, one) for one in longer) / 2
    return wins / (len(longer) * len(shorter))


async def seconds(client: httpx.AsyncClient, email: str) -> float:
    """Return the duration of a refused sign-in."""
    form = {"grant_type": "password", "username": email, "password": "a wrong guess"}
    began = time.perf_counter()
    response = await client.post("/v1/auth/token", data=form)
    if response.status_code != 401:
        raise RuntimeError(response.text)
    return time.perf_counter() - began


async def measure(url: str, pairs: int) -> dict[str, list[float]]:
    """Measure the pairs, each pair in random order."""
    times: dict[str, list[float]] = {KNOWN: [], UNKNOWN: []}
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        made = await client.post("/v1/users", json={"email": KNOWN, "password": "correct horse battery staple"})
        made.raise_for_status()
        for email in (KNOWN, UNKNOWN) * 3:
            await seconds(client, email)
        for _ in range(pairs):
            for email in random.sample((KNOWN, UNKNOWN), 2):
                times[email].append(await seconds(client, email))
    return times


@contextmanager
def own_service() -> Iterator[str]:
    """Start the backends and a service with high rate limits; yield its address."""
    with TemporaryDirectory(prefix="imts-benchmark-", ignore_cleanup_errors=True) as directory:
        stack = Stack(Path(directory), durable=False, report=lambda _line: None)
        try:
            addresses: dict[str, Any] = {name.lower(): value for name, value in stack.start().items()}
            addresses |= {"app_env": "development", "jwt_secret": "b" * 48, "login_limits": UNLIMITED}
            settings = Settings(_env_file=None, **addresses)
            upgrade(settings.sqlalchemy_direct_url)
            with service_process(settings) as service:
                yield service.url
        finally:
            stack.stop()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=300)
    with own_service() as url:
        times = asyncio.run(measure(url, parser.parse_args().pairs))
    for email, values_of in times.items():
        print(f"{email}: median {statistics.median(values_of) * 1000:.1f} ms over {len(values_of)}")
    print(f"AUC {auc(times[KNOWN], times[UNKNOWN]):.3f} (0.5: indistinguishable)")


if __name__ == "__main__":
    main()
