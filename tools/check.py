"""`make check`: all that is known about the code without running the tests. Every check runs; one failure fails."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command

from app.db.migrate import alembic_config, upgrade
from app.embedded import Stack
from tools.generated import differ

ROOT = Path(__file__).resolve().parents[1]
# Nothing in the repository may name the host that packages come from; the pattern is written so as not to find itself.
INDEX_HOSTS = "(pypi|pythonhosted|npmjs|debian)[.](org|com)"


def run(*arguments: str) -> Callable[[], bool]:
    """Return a check that passes when the command exits with 0; its output is shown when it does not."""

    def check() -> bool:
        finished = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
        if finished.returncode:
            print(finished.stdout, finished.stderr, sep="")
        return finished.returncode == 0

    return check


def run_quietly(*arguments: str) -> bool:
    """Tell whether the command is there and exits with 0."""
    return (
        shutil.which(arguments[0]) is not None
        and not subprocess.run(arguments, capture_output=True, check=False).returncode
    )


def migrations_match_models() -> bool:
    """Bring an empty database up, down and up again; then the models must describe it."""
    with (
        TemporaryDirectory(prefix="imts-check-", ignore_cleanup_errors=True) as directory,
        Stack(Path(directory), wanted=("postgres",), durable=False, report=lambda _line: None) as stack,
    ):
        url = "postgresql+asyncpg://" + stack.addresses()["DATABASE_URL"].partition("://")[2]
        upgrade(url)
        command.downgrade(alembic_config(url), "base")
        upgrade(url)
        command.check(alembic_config(url))
    return True


def no_index_host() -> bool:
    """Pass when no tracked file names a package index; outside of a checkout nothing is tracked."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        return True
    found = subprocess.run(
        ["git", "grep", "-nIE", INDEX_HOSTS],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    print(found.stdout, found.stderr, end="", sep="")
    # 0 tells that it found something, 2 and more that it could not look.
    return found.returncode == 1


def compose_file_is_valid() -> bool:
    """Ask docker-compose, where it is installed."""
    compose = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
    if not run_quietly(*compose, "version"):
        print("       (no docker-compose here)")
        return True
    return run(*compose, "--profile", "service", "config", "--quiet")()


CHECKS: dict[str, Callable[[], bool]] = {
    "ruff": run("ruff", "check", "."),
    "format": run("ruff", "format", "--check", "."),
    "import-linter": run("lint-imports"),
    "mypy": run("mypy"),
    "migrations": migrations_match_models,
    "openapi": lambda: not differ(),
    "lock": run(sys.executable, "-m", "pipenv", "verify"),
    "index hosts": no_index_host,
    "docker-compose": compose_file_is_valid,
}


def main() -> None:
    """Run every check and exit with 1 when one fails."""
    # pipenv's hash of the Pipfile covers the indexes of the user's pip: the lock is made without any.
    os.environ |= {"PIPENV_VERBOSITY": "-1", "PYTHONPATH": str(ROOT), "PIP_CONFIG_FILE": os.devnull}
    failed = []
    for name, check in CHECKS.items():
        started = time.perf_counter()
        passed = check()
        print(f"{'ok    ' if passed else 'FAILED'} {name} ({time.perf_counter() - started:.1f} s)", flush=True)
        if not passed:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
