"""Kill test of a cluster: the whole system under load, while one process of each kind is killed with SIGKILL.

    python -m benchmarks.scale_out [--runs 2] [--seconds 6] [--json FILE]

All servers are real and run on this machine: haproxy, three service processes, a PostgreSQL primary with two standbys,
and a MongoDB replica set of three. SeaweedFS has three masters, three volume servers and two filers with S3 gateways.
There is one Redis.

Every acknowledged write is read back at the end: images byte by byte, tags one by one. The clients retry nothing, so
each error is counted. Needs haproxy (`apt-get install haproxy`) and the dev-packages.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
from pymongo import MongoClient

from benchmarks.scale_out.cluster import SERVICES, Cluster
from benchmarks.scale_out.load import Load, Phase
from benchmarks.scale_out.nodes import until

Revive = Callable[[], Awaitable[Any]]


class Run:
    """One cluster, its load, and the phases of the test."""

    def __init__(self, cluster: Cluster, load: Load, seconds: float) -> None:
        self._cluster, self._load, self._seconds = cluster, load, seconds
        self.phases: list[Phase] = []

    async def all_phases(self) -> None:
        """Kill one process of each kind, one after the other."""
        cluster = self._cluster
        await self._phase("nothing", self._pause)
        for name in ("service1", "pg2"):
            await self._phase(name, self._killing(name))
        secondary = next(name for name in cluster.mongo.nodes if name != cluster.mongo.primary())
        await self._phase(f"{secondary}, a secondary", self._killing(secondary))
        primary = cluster.mongo.primary()
        await self._phase(f"{primary}, the primary", self._killing(primary))
        for name in ("volume1", "filer1"):
            await self._phase(name, self._killing(name))
        leader = cluster.weed.leader()
        await self._phase(f"{leader}, the leader", self._killing(leader))
        await self._phase("redis", self._killing("redis"))
        await self._phase("pg1, the primary; a standby is promoted", self._fail_over)
        await self._phase("nothing, afterwards", self._pause)

    async def _phase(self, name: str, action: Callable[[], Awaitable[None]]) -> None:
        phase = self._load.phase = Phase(name)
        self.phases.append(phase)
        await action()
        phase.close()
        print(_row(phase), flush=True)

    async def _pause(self) -> None:
        await asyncio.sleep(self._seconds)

    def _killing(self, name: str) -> Callable[[], Awaitable[None]]:
        async def kill() -> None:
            await asyncio.sleep(1)
            self._cluster.nodes[name].kill()
            await self._pause()
            await self._cluster.restart(name)
            await self._until_well()

        return kill

    async def _fail_over(self) -> None:
        await asyncio.sleep(1)
        self._cluster.nodes["pg1"].kill()
        # Failure detection in production (Patroni, a managed service) takes seconds too.
        await asyncio.sleep(2)
        await self._cluster.postgres.fail_over()
        await self._pause()
        await self._cluster.postgres.join("pg1")
        await self._until_well()

    async def _until_well(self) -> None:
        for name in SERVICES:
            await self._cluster.until_ready(name)
        phase, back = self._load.phase, time.monotonic()

        async def is_uploading_again() -> bool:
            return phase.last_upload > back + 1

        await until("an upload", is_uploading_again)


async def run_once(seconds: float) -> dict[str, Any]:
    """Start a cluster, kill its processes in turn, and read everything back; return the results."""
    root = Path(tempfile.mkdtemp(prefix="imts-scale-"))
    cluster = Cluster(root)
    try:
        await cluster.start()
        print(f"\n| killed | {' | '.join(COLUMNS)} |\n|---|{'---|' * len(COLUMNS)}")
        timeout = aiohttp.ClientTimeout(total=30)
        connector = aiohttp.TCPConnector(force_close=False, limit=50)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            load, stop = Load(cluster.url, session), asyncio.Event()
            await load.sign_in()
            run = Run(cluster, load, seconds)
            clients = asyncio.create_task(load.run(stop))
            await run.all_phases()
            stop.set()
            await clients
            return await _result(cluster, load, run)
    except TimeoutError:
        for node in cluster.nodes.values():
            print(f"{node.name}: {'lives' if node.lives else 'is dead'}; {node.log_tail()}", file=sys.stderr)
        raise
    finally:
        cluster.stop()
        shutil.rmtree(root, ignore_errors=True)


async def _result(cluster: Cluster, load: Load, run: Run) -> dict[str, Any]:
    answered = set(load.answered)
    lost = await load.lost()
    wrong = [image for phase in run.phases for image in phase.wrong]
    return {
        "images": len(load.images),
        "tags": sum(map(len, load.tags.values())),
        "lost": lost,
        "wrong": wrong,
        "requests": len(answered),
        "requests_without_record": await _unrecorded(cluster, answered),
        "phases": [
            {
                "killed": phase.name,
                "answers": phase.responses,
                "errors": phase.errors,
                "gap": round(phase.longest_gap, 2),
            }
            for phase in run.phases
        ],
        "load_average": os.getloadavg()[0],
    }


async def _unrecorded(cluster: Cluster, answered: set[str]) -> int:
    """Return the number of answered requests without a record in MongoDB, once no more arrive."""
    missing, before = answered, -1
    # Another worker delivers the write-ahead log of a killed one within half a minute.
    for _ in range(20):
        missing = answered - await asyncio.to_thread(_recorded, cluster.mongo.url("imts"))
        if not missing or len(missing) == before:
            break
        before = len(missing)
        await asyncio.sleep(5)
    return len(missing)


def _recorded(url: str) -> set[str]:
    with MongoClient[dict[str, Any]](url) as client:
        return {
            record["request_id"] for record in client.get_default_database().request_logs.find({}, {"request_id": 1})
        }


COLUMNS = ("uploads", "tags", "reads", "searches", "errors", "longest time without an upload, s", "which errors")


def _row(phase: Phase) -> str:
    responses = [str(phase.responses[name]) for name in ("upload", "tag", "read", "search")]
    errors = ", ".join(f"{count} x {error}" for error, count in phase.errors.most_common())
    return f"| {phase.name} | {' | '.join(responses)} | {phase.errors.total()} | {phase.longest_gap:.1f} | {errors} |"


def main() -> None:
    """Run the test `--runs` times; exit with 1 if an acknowledged write is lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=6, help="how long each one stays dead")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if shutil.which("haproxy") is None:
        sys.exit("haproxy is missing: apt-get install haproxy")
    results = []
    for number in range(options.runs):
        result = asyncio.run(run_once(options.seconds))
        results.append(result)
        print(
            f"\nrun {number + 1}: {result['images']} images and {result['tags']} tags acknowledged, "
            f"{len(result['lost'])} lost, {len(result['wrong'])} read wrong; {result['requests']} requests answered, "
            f"{result['requests_without_record']} of them without a record; load average {result['load_average']:.1f}"
        )
        for problem in result["lost"]:
            print(f"  lost: {problem}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    sys.exit(1 if any(result["lost"] or result["wrong"] for result in results) else 0)


if __name__ == "__main__":
    main()
