"""Derives the files of the skeleton from those of this project.

The derivation starts at the entry points and follows their imports, after the replacements. Code that no entry point
reaches is left out. So a new module of the core is copied without a rule of its own.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tools.template import rules
from tools.template.errors import TemplateError

ROOT = Path(__file__).resolve().parents[2]
OVERLAY = Path(__file__).resolve().parent / "files"
PACKAGES = ("app", "devstack", "migrations", "tests", "tools", "benchmarks", "client")
NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
MAX_NAME = 30


def skeleton(name: str) -> dict[str, str | bytes]:
    """Return the contents of the skeleton's files by path. Raises TemplateError."""
    if not NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise TemplateError(
            f"{name!r} is not a name of lower-case letters, digits and single hyphens, up to {MAX_NAME}"
        )
    overlay = {str(path.relative_to(OVERLAY)): path.read_text() for path in OVERLAY.rglob("*") if path.is_file()}
    files: dict[str, str | bytes] = {}
    waiting = [*rules.ENTRY_POINTS, *overlay]
    while waiting:
        path = waiting.pop()
        if path not in files:
            files[path] = overlay[path] if path in overlay else derived(path)
            waiting += _imported_files(path, str(files[path]))
    files |= {path: derived(path) for path in rules.OTHER_FILES if path not in overlay}
    if unused := {one.path for one in rules.REPLACEMENTS} - files.keys() - {"docker-local.env"}:
        raise TemplateError(f"the skeleton has no {', '.join(sorted(unused))}; remove the replacements")
    renamed = {
        rename(path, name): rename(text, name) if isinstance(text, str) else text for path, text in files.items()
    }
    # The licence of the copied code keeps the name of its authors.
    return {**renamed, "LICENSE": (ROOT / "LICENSE").read_text()}


def derived(path: str) -> str | bytes:
    """Return the content of a file of this project after the replacements. Raises TemplateError."""
    if not (ROOT / path).exists():
        raise TemplateError(f"{path} is missing; change its rule")
    content = (ROOT / path).read_bytes()
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return content
    for one in rules.REPLACEMENTS:
        if one.path == path:
            text = one.apply(text)
    return text


def rename(text: str, name: str) -> str:
    """Return the text with the name of the new service in place of the names of this one."""
    title = name.replace("-", " ").title()
    text = text.replace("Image-Tagged-System", title).replace("image-tagged-system", name)
    text = text.replace("image_tagged_system", name.replace("-", "_"))
    # The purposes of derived keys, which have at most 16 bytes.
    text = text.replace('b"imts-', 'b"app-')
    return re.sub(r"(?<![A-Za-z0-9])imts(?![A-Za-z0-9])", name.replace("-", ""), text)


def _imported_files(path: str, text: str) -> Iterator[str]:
    """Yield the files of the modules that a module imports, with their packages. Raises TemplateError."""
    if not path.endswith(".py"):
        return
    for module in _imported_modules(text):
        if any(f"{module}.".startswith(f"{one}.") for one in rules.LEFT_OUT):
            raise TemplateError(f"{path} imports {module}, which the skeleton leaves out; change a rule")
        yield from _files_of(module)


def _imported_modules(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] in PACKAGES)


def _files_of(module: str) -> Iterator[str]:
    """Yield the file of a module and those of its packages; nothing for a name within a module."""
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        base = "/".join(parts[:length])
        yield from (path for path in (f"{base}.py", f"{base}/__init__.py") if _exists(path))


def _exists(path: str) -> bool:
    return (OVERLAY / path).exists() or (ROOT / path).exists()
