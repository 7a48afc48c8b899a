"""Runs the benchmarks behind the figures of docs/performance.md, one after another, and keeps their output.

    python -m benchmarks.report [--directory .imts/report] [--quick] [--only PATTERN] [--list]

The directory gets `report.md`, which has the machine, the commit, and for each benchmark its command, its date, the
load before and after, and its output. Results as JSON and plots lie beside it. The report is complete after each
benchmark, so a run may be stopped and continued with `--only`. A benchmark whose program is missing is left out.
"""

import argparse
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine, watched

# In the arguments of a benchmark: the directory of the report.
DIRECTORY = "{directory}"
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A module with its arguments, and its minutes on two idle cores. `program` must be on PATH."""

    name: str
    command: str
    minutes: int
    program: str | None = None


_SAVE = f"--save {DIRECTORY}"
_MEMORY_TESTS = "tests/faults/test_upload_memory.py tests/faults/test_clients.py"
# The short ones first: a report that ends early has most of the figures.
BENCHMARKS = (
    Benchmark("record_overhead", "benchmarks.record_overhead", 1),
    Benchmark("tracing_cost", "benchmarks.tracing_cost", 6),
    Benchmark("login_timing", "benchmarks.login_timing", 3),
    Benchmark("login_load", "benchmarks.login_load", 1),
    Benchmark("attacks", f"benchmarks.attacks --json {DIRECTORY}/attacks.json", 4),
    Benchmark("http", f"benchmarks.http --rounds 8 --seconds 1 --json {DIRECTORY}/http.json", 6, program="wrk"),
    Benchmark("uploads", "benchmarks.uploads", 5),
    Benchmark("small_uploads", "benchmarks.uploads --sizes 50K --concurrency 4 8 --seconds 6", 2),
    Benchmark("tag_history", "benchmarks.tag_history --blocks 10 --requests 25", 4),
    Benchmark("revert_load", "benchmarks.revert_load --rounds 2", 6),
    Benchmark("storage_footprint", "benchmarks.storage_footprint --images 300000", 2),
    Benchmark("similar_images", "benchmarks.similar_images", 5),
    Benchmark("lighthouse_scores", "benchmarks.lighthouse_scores --images 1000", 10, program="npm"),
    Benchmark("gallery_pages", "benchmarks.gallery_pages --images 100000 1000000", 8),
    Benchmark("similar_search", f"benchmarks.similar_search --images 1000000 --photographs 40 {_SAVE}", 12),
    Benchmark("search", f"benchmarks.search --images 100000 1000000 {_SAVE}", 15),
    Benchmark("scale_out", f"benchmarks.scale_out --runs 2 --json {DIRECTORY}/scale_out.json", 8, program="haproxy"),
    Benchmark("upload_memory", f"pytest --faults=full -m slow -rP -q -o log_level=INFO {_MEMORY_TESTS}", 9),
    Benchmark("telemetry", "benchmarks.telemetry --floor", 22),
)
# Smaller sizes, which show whether a benchmark works.
QUICK = {
    "record_overhead": "benchmarks.record_overhead --turns 5",
    "tracing_cost": "benchmarks.tracing_cost --blocks 2",
    "login_timing": "benchmarks.login_timing --pairs 20",
    "http": f"benchmarks.http --rounds 1 --seconds 1 --images 2000 --json {DIRECTORY}/http.json",
    "uploads": "benchmarks.uploads --seconds 1 --rounds 1 --sizes 50K 2M",
    "small_uploads": "benchmarks.uploads --sizes 50K --concurrency 4 --seconds 2",
    "tag_history": "benchmarks.tag_history --blocks 2 --requests 5 --batch 20",
    "revert_load": "benchmarks.revert_load --rounds 1 --edits 5 --images 1000",
    "storage_footprint": "benchmarks.storage_footprint --images 20000",
    "similar_images": "benchmarks.similar_images --pictures 1000",
    "lighthouse_scores": "benchmarks.lighthouse_scores --images 20 --runs 1",
    "gallery_pages": "benchmarks.gallery_pages --images 20000 --rounds 10 --no-writer",
    "similar_search": f"benchmarks.similar_search --images 20000 --rounds 50 --photographs 5 {_SAVE}",
    "search": f"benchmarks.search --images 20000 --rounds 10 --pages 20 --no-writer --no-attacks {_SAVE}",
    "scale_out": f"benchmarks.scale_out --seconds 2 --json {DIRECTORY}/scale_out.json",
    "telemetry": "benchmarks.telemetry --floor --mongo up --blocks 1",
}


class Report:
    """The file `report.md` in a directory."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "report.md"

    def open(self) -> None:
        """Begin the report, or continue it."""
        if not self._file.exists():
            machine = "\n".join(f"| {name} | {value} |" for name, value in describe_machine().items())
            self._file.write_text(f"# Benchmarks\n\n| | |\n|---|---|\n{machine}\n| commit | {_commit()} |\n")

    def add(self, name: str, command: Sequence[str], state: dict[str, Any], output: str) -> None:
        """Add a benchmark."""
        facts = "\n".join(f"- {key}: {value}" for key, value in state.items())
        with self._file.open("a") as file:
            file.write(
                f"\n## {name}\n\n    python {' '.join(command[1:])}\n\n{facts}\n\n```text\n{output.strip()}\n```\n"
            )


def _commit() -> str:
    revision = _git("rev-parse", "--short", "HEAD") or "unknown"
    return f"{revision}, with changes" if _git("status", "--porcelain") else revision


def _git(*arguments: str) -> str:
    git = shutil.which("git") or "git"
    finished = subprocess.run([git, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    return finished.stdout.strip()


def run(name: str, command: Sequence[str], directory: Path, report: Report) -> bool:
    """Run a benchmark, add it to the report, and return whether it succeeded."""
    state: dict[str, Any] = {"date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"}
    machine: dict[str, Any] = {}
    output = directory / f"{name}.txt"
    started = time.monotonic()
    with watched(machine, "run"), output.open("w") as file:
        finished = subprocess.run(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, check=False)  # noqa: S603
    before, after = machine["run"]["load_average"]
    state |= {
        "load average": f"{before} before, {after} after",
        "processor time that the host gave to others": f"{machine['run']['stolen_percent']} %",
        "duration": f"{time.monotonic() - started:.0f} s",
    }
    if finished.returncode:
        state["failed"] = f"exit status {finished.returncode}"
    report.add(name, command, state, output.read_text())
    return finished.returncode == 0


def arguments_of(benchmark: Benchmark, directory: Path, *, quick: bool) -> list[str]:
    """Return the command line."""
    command = QUICK.get(benchmark.name, benchmark.command) if quick else benchmark.command
    return [sys.executable, "-m", *command.replace(DIRECTORY, str(directory)).split()]


def choose(pattern: str) -> Iterator[Benchmark]:
    """Yield the benchmarks whose name contains the pattern and whose program is present."""
    for benchmark in BENCHMARKS:
        if not re.search(pattern, benchmark.name):
            continue
        if benchmark.program and shutil.which(benchmark.program) is None:
            print(f"{benchmark.name}: left out, because {benchmark.program} is not on PATH")
        else:
            yield benchmark


def main() -> None:
    """Run the chosen benchmarks; exit with 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, default=Path(".imts/report"))
    parser.add_argument("--quick", action="store_true", help="smaller sizes, to see that each works")
    parser.add_argument("--only", default="", help="a regular expression of names, such as 'search|uploads'")
    parser.add_argument("--list", action="store_true", help="print the commands and their minutes in full size")
    options = parser.parse_args()
    directory = options.directory.resolve()
    chosen = {one: arguments_of(one, directory, quick=options.quick) for one in choose(options.only)}
    if options.list:
        for one, command in chosen.items():
            print(f"{one.minutes:2} min  python {' '.join(command[1:])}")
        return
    directory.mkdir(parents=True, exist_ok=True)
    report, failed = Report(directory), []
    report.open()
    for one, command in chosen.items():
        print(f"{one.name} ...", flush=True)
        if not run(one.name, command, directory, report):
            failed.append(one.name)
    print(f"{directory / 'report.md'} has the results.")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
