"""The template writes a service that starts, and contains nothing of this one's features."""

import ast
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from importlib.metadata import packages_distributions
from pathlib import Path

import httpx
import pytest

from app.core.settings import Settings
from tests.support.environment import environment
from tests.support.processes import service_process
from tools.template import packages
from tools.template.__main__ import write
from tools.template.environment_file import derive_environment_file
from tools.template.errors import TemplateError
from tools.template.rules import Replacement
from tools.template.skeleton import MAX_NAME, NAME, ROOT, rename, skeleton


@pytest.fixture(scope="module")
def files() -> dict[str, str | bytes]:
    return skeleton("book-shelf")


@pytest.fixture
async def other_settings(
    make_settings: Callable[..., Settings], fresh_database_url: Callable[[], Awaitable[str]], tmp_path: Path
) -> Settings:
    return make_settings(database_url=await fresh_database_url(), telemetry_spill_dir=tmp_path / "wal")


def test_the_skeleton_has_no_module_of_a_feature(files: dict[str, str | bytes]) -> None:
    own = {path.split("/")[1] for path in files if path.startswith("app/") and path.count("/") > 1}
    assert own == {"cache", "cli", "core", "db", "health", "http", "models", "notes", "ops", "ratelimit", "serving"} | {
        "storage",
        "telemetry",
    }


def test_the_skeleton_imports_no_package_that_its_pipfile_leaves_out(files: dict[str, str | bytes]) -> None:
    distributions = packages_distributions()
    used = {
        distribution.lower()
        for path, text in files.items()
        if path.endswith(".py") and path.startswith("app/")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([one.name for one in node.names] if isinstance(node, ast.Import) else [node.module or ""])
        for distribution in distributions.get(name.partition(".")[0], ())
    }
    assert used
    assert not used & packages.LEFT_OUT


def test_the_name_of_this_service_is_replaced(files: dict[str, str | bytes]) -> None:
    texts = {path: text for path, text in files.items() if isinstance(text, str)}
    # The licence requires the notice of the authors.
    assert "The Image-Tagged-System authors" in texts.pop("LICENSE")
    assert not [path for path, text in texts.items() if "Image-Tagged-System" in text or "imts_" in text]
    assert 'title="Book Shelf"' in texts["app/main.py"]
    assert "bookshelf_db_connections_in_use" in texts["app/lifespan.py"]


def test_every_setting_of_the_skeleton_is_used(files: dict[str, str | bytes]) -> None:
    modules = {path: str(text) for path, text in files.items() if path.endswith(".py")}
    groups = {path: text for path, text in modules.items() if path.startswith("app/core/settings/")}
    fields = {
        name for text in groups.values() for name in re.findall(r"^    ([a-z]\w+): (?!str =$)", text, re.MULTILINE)
    }
    code = "\n".join(text for path, text in modules.items() if path not in groups)
    properties = "\n".join(re.findall(r"self\.\w+", "\n".join(groups.values())))
    assert len(fields) > 30
    assert not [name for name in fields if not re.search(rf"\b{name}\b", code + properties)]


def test_the_documented_api_of_the_skeleton_names_no_image(files: dict[str, str | bytes]) -> None:
    described = ("app/http/problems.py", "app/http/openapi/response_headers.py", "app/http/openapi/introduction.py")
    assert not [path for path in described if re.search(r"\bimages?\b(?!/)", str(files[path]))]


def test_the_image_is_built_from_files_of_the_skeleton(files: dict[str, str | bytes]) -> None:
    text = str(files["Dockerfile"])
    sources = {source for line in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE) for source in line.split()}
    written = {"Pipfile", "Pipfile.lock"}
    assert "app" in sources
    assert not [one for one in sources - written if not any(f"{path}/".startswith(f"{one}/") for path in files)]


def test_the_purposes_of_keys_are_short_enough_with_any_name() -> None:
    texts = [str(text) for text in skeleton("a" * MAX_NAME).values()]
    purposes = {purpose for text in texts for purpose in re.findall(r'derive_key\(\w+, b"([^"]*)"\)', text)}
    assert purposes
    assert max(map(len, purposes)) <= hashlib.blake2b.PERSON_SIZE


def test_a_name_within_a_word_is_kept() -> None:
    assert rename("simts imts-a imts_b .imts", "book-shelf") == "simts bookshelf-a bookshelf_b .bookshelf"


@pytest.mark.parametrize("name", ["", "Book", "9lives", "a--b", "a-", "a b", "../a", "a" * 31])
def test_a_name_that_is_no_name_of_a_project_is_refused(name: str) -> None:
    with pytest.raises(TemplateError, match="is not a name"):
        skeleton(name)


def test_a_replacement_that_no_longer_matches_is_an_error() -> None:
    with pytest.raises(TemplateError, match="matches 0 times"):
        Replacement("app/main.py", "absent").apply("text")


def test_a_directory_with_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    with pytest.raises(TemplateError, match="not empty"):
        write("shelf", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_the_settings_file_keeps_the_settings_of_the_skeleton_under_their_headings() -> None:
    text = "# All.\n\n# --- A ---\n\n# One.\nONE=1\n\n# --- B ---\n\n# Two.\nTWO=2\n"
    assert derive_environment_file(text, {"ONE"}) == "# All.\n\n# --- A ---\n\n# One.\nONE=1\n"


def test_the_lock_has_the_packages_of_the_pipfile_and_their_requirements() -> None:
    pipfile = packages.derive_pipfile((ROOT / "Pipfile").read_text())
    lock = packages.derive_lock((ROOT / "Pipfile.lock").read_text(), pipfile)
    assert '"starlette"' in lock  # a requirement of FastAPI
    assert '"pillow"' not in lock


@pytest.mark.integration
def test_the_skeleton_passes_its_linter_migrates_and_serves(other_settings: Settings, tmp_path: Path) -> None:
    project = tmp_path / "book-shelf"
    write("book-shelf", project)
    run(project, "-m", "ruff", "check", "--no-cache", ".")
    run(project, "-m", "ruff", "format", "--no-cache", "--check", ".")
    run(project, "-m", "app", "migrate", env=environment(other_settings))
    with service_process(other_settings, directory=project) as service:
        created = httpx.post(f"{service.url}/v1/notes", json={"title": "Groceries", "text": "Bread"})
        assert (created.status_code, created.json()["title"]) == (201, "Groceries")
        assert httpx.get(f"{service.url}/version").json()["name"] == "Book Shelf"
        # The recorder has started, and counts.
        assert 'route="/v1/notes"' in httpx.get(f"{service.url}/metrics").text


@pytest.mark.slow
@pytest.mark.integration
def test_the_checks_and_the_tests_of_the_skeleton_pass(tmp_path: Path) -> None:
    write("book-shelf", tmp_path / "book-shelf")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {"PATH": path, "HOME": os.environ["HOME"]}
    run(tmp_path / "book-shelf", "-m", "tools.check", env=env)
    run(tmp_path / "book-shelf", "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", env=env)


def run(directory: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
    command = [sys.executable, *arguments]
    finished = subprocess.run(  # noqa: S603
        command, cwd=directory, capture_output=True, text=True, check=False, env=env
    )
    assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-3000:]


def test_the_documented_name_is_accepted() -> None:
    assert NAME.fullmatch("book-shelf")
