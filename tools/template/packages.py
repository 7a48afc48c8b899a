"""The Pipfile and the lock of the skeleton: those of this project, without the packages that it leaves out."""

import io
import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pipenv.vendor import plette  # type: ignore[import-untyped]

# Packages of the features, of their tests, and of the checks that the skeleton leaves out.
LEFT_OUT = frozenset(
    {
        *("aiosmtplib", "attrs", "authlib", "passlib", "bcrypt", "email-validator", "idna", "jinja2", "joserfc"),
        *("pillow", "pillow-heif", "python-multipart", "rich"),
        *("aiosmtpd", "codespell", "coverage", "matplotlib", "mkdocs-material", "openapi-python-client"),
        *("playwright", "proselint", "pymdown-extensions", "requests-oauthlib", "schemathesis", "scikit-image"),
        *("testcontainers", "types-passlib"),
    }
)
_COMMANDS_LEFT_OUT = re.compile(r'^(?!dev|serve|migrate)[a-z-]+ = "python -m app [a-z-]+"\n', re.MULTILINE)


def derive_pipfile(text: str) -> str:
    """Return the Pipfile without the packages and the commands that the skeleton leaves out."""
    kept = [line for line in text.splitlines(keepends=True) if line.partition(" =")[0] not in LEFT_OUT]
    return _COMMANDS_LEFT_OUT.sub("", "".join(kept))


def derive_lock(lock_text: str, pipfile: str) -> str:
    """Return the lock with the packages of this Pipfile and those that they require.

    The requirements are read from the installed packages, so it must run in the environment of this project.
    """
    lock = json.loads(lock_text)
    wanted = tomllib.loads(pipfile)
    for section, group in (("default", "packages"), ("develop", "dev-packages")):
        needed = set(_closure(wanted[group]))
        lock[section] = {name: entry for name, entry in lock[section].items() if canonicalize_name(name) in needed}
    lock["_meta"]["hash"] = {"sha256": plette.Pipfile.load(io.StringIO(pipfile)).get_hash().value}
    return json.dumps(lock, indent=4, sort_keys=True) + "\n"


def _closure(packages: dict[str, Any]) -> Iterable[str]:
    """Return the names of the packages and of all that they require on any platform."""
    waiting = [(name, _extras(entry)) for name, entry in packages.items()]
    seen = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) not in seen:
            seen.add((name, extras))
            waiting += _required(name, extras)
    return [canonicalize_name(name) for name, _ in seen]


def _extras(entry: Any) -> frozenset[str]:
    return frozenset(entry.get("extras", ())) if isinstance(entry, dict) else frozenset()


def _required(name: str, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    try:
        lines = requires(name) or []
    except PackageNotFoundError:
        return  # a package of another platform
    for requirement in map(Requirement, lines):
        marker = str(requirement.marker or "")
        if "extra ==" not in marker or any(f'extra == "{extra}"' in marker for extra in extras):
            yield canonicalize_name(requirement.name), frozenset(requirement.extras)
