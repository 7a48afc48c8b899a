"""Packages of npm, installed once in each checkout. Without node or a registry, their tests are skipped."""

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

INSTALL = ("npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=0")
SECONDS = 300


def install_packages(config: pytest.Config, *packages: str) -> Path:
    """Return a folder with these packages in `node_modules`. pytest's cache keeps it for the next run."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    assert config.cache is not None
    folder = config.cache.mkdir(f"npm-{'-'.join(packages).replace('/', '+')}")
    # Only one of several workers installs.
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "installed").exists():
            (folder / "package.json").write_text('{"private": true}')
            code, output = run_in(folder, *INSTALL, *packages)
            if code:
                pytest.skip(f"the packages are not available: {output[-300:]}")
            (folder / "installed").touch()
    return folder


def run_in(folder: Path, *command: str | Path) -> tuple[int, str]:
    """Run a command in the folder; return its exit code and its output."""
    done = subprocess.run(  # noqa: S603 - the commands of the tests
        [str(one) for one in command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    return done.returncode, done.stdout
