"""Generates the clients from docs/openapi.json. `--write` updates `client/`; otherwise differences are shown.

The folder `.client_cache` keeps the output of the generators, which take seconds, until the document changes.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".client_cache"
DOCUMENT = ROOT / "docs" / "openapi.json"
PYTHON_CONFIG = ROOT / "docs" / "openapi-python-client.yml"
TYPESCRIPT_GENERATOR = ("openapi-typescript@7.13.0", "typescript@5.9.3")
# The outputs of the generators, and their places in `client/`.
PYTHON, TYPESCRIPT = "generated", "api.ts"
TARGETS = {
    PYTHON: ROOT / "client" / "python" / "imts_client" / PYTHON,
    TYPESCRIPT: ROOT / "client" / "typescript" / "src" / TYPESCRIPT,
}


def generate(*, offline: bool = True) -> Path:
    """Return the folder with the output of the generators. The types are missing without npm and its packages."""
    folder = CACHE / _cache_key()
    if not (folder / PYTHON).exists():
        shutil.rmtree(CACHE, ignore_errors=True)
        CACHE.mkdir()
        # Outside of the project, whose configuration of ruff is not the one for generated code.
        with TemporaryDirectory(prefix="imts-clients-") as name:
            _generate_python(Path(name) / PYTHON)
            shutil.copytree(name, folder, ignore=shutil.ignore_patterns(".ruff_cache"))
    if not (folder / TYPESCRIPT).exists():
        _generate_typescript(folder / TYPESCRIPT, offline=offline)
    return folder


def _cache_key() -> str:
    parts = (DOCUMENT.read_bytes(), PYTHON_CONFIG.read_bytes(), *map(str.encode, TYPESCRIPT_GENERATOR))
    # A new version of the other generator comes with a new lock file.
    return hashlib.sha256(b"\0".join((*parts, (ROOT / "Pipfile.lock").read_bytes()))).hexdigest()


def _generate_python(target: Path) -> None:
    paths = ("--path", DOCUMENT, "--config", PYTHON_CONFIG, "--output-path", target)
    finished = _run("openapi-python-client", "generate", "--meta", "none", *paths)
    if finished.returncode or "WARNING" in finished.stdout.upper():
        sys.exit(f"openapi-python-client failed:\n{finished.stdout}")


def _generate_typescript(target: Path, *, offline: bool) -> None:
    if shutil.which("npm") is None:
        return
    packages = [f"--package={one}" for one in TYPESCRIPT_GENERATOR]
    source = "--offline" if offline else "--prefer-offline"
    unfinished = target.with_suffix(".unfinished")
    command = ("openapi-typescript", DOCUMENT, "-o", unfinished)
    if _run("npm", "exec", "--yes", source, *packages, "--", *command).returncode == 0:
        unfinished.rename(target)


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [str(one) for one in arguments],
        cwd=CACHE,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def write() -> None:
    """Replace the generated code in `client/`."""
    folder = generate(offline=False)
    for name, target in TARGETS.items():
        source = folder / name
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copyfile(source, target)
        else:
            print(f"not updated: {target.relative_to(ROOT)} needs npm and {' '.join(TYPESCRIPT_GENERATOR)}")
    if shutil.which("git") and (ROOT / ".git").exists():
        # `git commit -a` includes new files from now on.
        _run("git", "add", "--intent-to-add", *TARGETS.values())


def differ() -> bool:
    """Return whether the generated code in `client/` differs, and print the names of the files."""
    folder = generate()
    if not (folder / TYPESCRIPT).exists():
        print(f"       (no {TYPESCRIPT_GENERATOR[0]} here)")
    findings: list[str] = []
    for name, target in TARGETS.items():
        if (folder / name).exists():
            expected, present = _read(folder / name), _read(target)
            different = expected.keys() ^ present.keys() | {
                one for one in expected.keys() & present.keys() if expected[one] != present[one]
            }
            findings += [str((target / one).relative_to(ROOT)) for one in sorted(different)]
    if findings:
        print(*findings[:20], "the clients are out of date: run `make clients`", sep="\n")
    return bool(findings)


def _read(path: Path) -> dict[str, bytes]:
    """Return the content of a file, or of the files below a folder, by relative path."""
    files = path.rglob("*") if path.is_dir() else [path]
    return {
        str(one.relative_to(path)): one.read_bytes()
        for one in files
        if one.is_file() and not {"__pycache__", ".ruff_cache"} & set(one.parts)
    }


if __name__ == "__main__":
    if "--write" in sys.argv:
        write()
    else:
        sys.exit(differ())
