"""`python -m tools.template NAME DIR`: writes the skeleton of this architecture as a new project."""

import argparse
import subprocess
import sys
from pathlib import Path

from tools.template.environment_file import derive_environment_file
from tools.template.errors import TemplateError
from tools.template.packages import derive_lock, derive_pipfile
from tools.template.skeleton import ROOT, derived, rename, skeleton

_SETTINGS = "from app.core.settings import Settings; print(*(name.upper() for name in Settings.model_fields))"


def write(name: str, directory: Path) -> None:
    """Write the skeleton into a new or empty directory. Raises TemplateError."""
    if directory.exists() and any(directory.iterdir()):
        raise TemplateError(f"{directory} is not empty")
    for path, content in skeleton(name).items():
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    pipfile = rename(derive_pipfile((ROOT / "Pipfile").read_text()), name)
    (directory / "Pipfile").write_text(pipfile)
    (directory / "Pipfile.lock").write_text(derive_lock((ROOT / "Pipfile.lock").read_text(), pipfile))
    settings = set(run(directory, "-c", _SETTINGS).split())
    environment = derive_environment_file(str(derived("docker-local.env")), settings)
    (directory / "docker-local.env").write_text(rename(environment, name))
    # Import order and line breaks depend on the names.
    run(directory, "-m", "ruff", "check", "--no-cache", "--quiet", "--fix-only", ".")
    run(directory, "-m", "ruff", "format", "--no-cache", "--quiet", ".")
    (directory / "docs").mkdir()
    run(directory, "-m", "tools.generated", "--write")


def run(directory: Path, *arguments: str) -> str:
    """Run Python in the skeleton with the packages of this project, and return its output. Raises TemplateError."""
    command = [sys.executable, *arguments]
    finished = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise TemplateError(f"{' '.join(arguments)} failed: {' '.join(finished.stderr.split())[-500:]}")
    return finished.stdout


def main() -> None:
    """Write the skeleton, or exit with 1 and the reason."""
    parser = argparse.ArgumentParser(prog="python -m tools.template", description=__doc__)
    parser.add_argument("name", nargs="?", help="the name of the new service, such as book-shelf")
    parser.add_argument("directory", nargs="?", type=Path, help="a new or empty directory")
    parser.add_argument("--check", action="store_true", help="check only that each rule still fits the code")
    arguments = parser.parse_args()
    try:
        if arguments.check:
            skeleton("check")
            derived("docker-local.env")
            return
        if arguments.directory is None:
            parser.error("NAME and DIR are missing")
        write(arguments.name, arguments.directory)
    except TemplateError as error:
        sys.exit(str(error))
    print(f"Written to {arguments.directory}. Next: cd {arguments.directory} && git init && make test")


if __name__ == "__main__":
    main()
