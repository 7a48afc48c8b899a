"""The rules of the skeleton: where it starts, which packages it leaves out, and the texts that it replaces.

A file below `files/` takes the place of the file with the same path. Every other module of the skeleton is a copy.
"""

import re
from dataclasses import dataclass

from tools.template.errors import TemplateError

# The modules with which programs start. The skeleton has these and all modules that they import.
ENTRY_POINTS = (
    "app/__main__.py",
    "app/cli/serve.py",
    "app/cli/migrate.py",
    "app/main.py",
    "app/serving/protocol.py",
    "app/serving/server.py",
    "app/serving/supervisor.py",
    "devstack/dev_command.py",
    "devstack/launch.py",
    "migrations/env.py",
    "tools/check.py",
    "tools/clean_lock.py",
    # The tests that need no feature.
    "tests/core/test_background_task.py",
    "tests/core/test_fair_queue.py",
    "tests/core/test_logging.py",
    "tests/core/test_pagination.py",
    "tests/core/test_periodic.py",
    "tests/devstack/conftest.py",
    "tests/devstack/test_stack.py",
    "tests/serving/test_buffered_transport.py",
    "tests/telemetry/test_histogram.py",
)

# Files that no module imports.
OTHER_FILES = (
    ".dockerignore",
    ".editorconfig",
    ".gitattributes",
    ".gitignore",
    "Dockerfile",
    "alembic.ini",
    "app/http/favicon.ico",
    "migrations/script.py.mako",
    "pyproject.toml",
)

# The features of this service, and parts that only they use. An import of one of these is an error.
LEFT_OUT = (
    "app.administration",
    "app.audit",
    "app.authz",
    "app.gallery",
    "app.history",
    "app.images",
    "app.mail",
    "app.media",
    "app.search",
    "app.similarity",
    "app.tags",
    "app.uploads",
    "app.users",
    "benchmarks",
    "client",
)


ANY = 0  # a number of matches that is at least one


@dataclass(frozen=True, slots=True)
class Replacement:
    """A regular expression that must match `count` times in the file, and the text in its place."""

    path: str
    pattern: str
    text: str = ""
    count: int = 1

    def apply(self, content: str) -> str:
        """Return the content with the text in place. Raises TemplateError for another number of matches."""
        changed, found = re.subn(self.pattern, lambda _match: self.text, content, flags=re.MULTILINE | re.DOTALL)
        if found != self.count and (self.count != ANY or not found):
            raise TemplateError(f"{self.path}: {self.pattern!r} matches {found} times; change its rule")
        return changed


_IMPORT_CONTRACTS = """    "lifespan",
    "health | ops",
    "notes",
    "http",
    "ratelimit",
    "storage | cache | telemetry | models",
    "db",
    "core",
]

[[tool.importlinter.contracts]]
name = "A feature runs from its router to its schemas"
type = "layers"
containers = ["app.notes"]
"""

REPLACEMENTS = (
    Replacement("app/cli/__init__.py", r'^    "(?!dev"|serve"|migrate")[a-z-]+": "[^\n]*\n', count=ANY),
    Replacement("app/cli/__init__.py", "Stores images and finds them by their tags.", "Stores notes."),
    Replacement("app/cli/options.py", r"^JsonLines = .*?(?=^STORE = )", "\n"),
    Replacement("app/cli/options.py", r"^STORE = [^\n]*\n\n\n"),
    Replacement("app/core/settings/__init__.py", r"^from [a-z.]*\.(image|mail|search)_settings import \w+\n", count=3),
    Replacement("app/core/settings/__init__.py", r'^    "?(Image|Mail|Search)Settings"?,\n', count=6),
    Replacement("app/core/settings/__init__.py", r', "SMTP_URL"\)', ")"),
    Replacement("app/core/settings/__init__.py", r"^        local = \[.*?(?=^        return missing)"),
    Replacement("app/core/settings/__init__.py", r" \+ short \+ unreachable", " + short"),
    Replacement("app/core/settings/server_settings.py", r"^    # The pages that show the images\.[^\n]*\n[^\n]*\n"),
    Replacement(
        "app/core/settings/storage_settings.py", 'storage_bucket: str = "images"', 'storage_bucket: str = "files"'
    ),
    Replacement(
        "app/db/cache_invalidation.py",
        r"r\"\(\?:\(\?:INSERT INTO[^\n]*",
        'r"(?:INSERT INTO|UPDATE|DELETE FROM) notes\\b"',
    ),
    Replacement("app/db/cache_invalidation.py", r"^# Deleting an account[^\n]*\n"),
    Replacement("app/db/cache_invalidation.py", "list or count images or tags", "list or count notes"),
    Replacement("app/db/cache_invalidation.py", r"^def image_scope.*?(?=^class )"),
    Replacement("app/db/cache_invalidation.py", r"^from uuid import UUID\n"),
    Replacement("app/http/methods.py", "`/v1/images/lookup` is not an image", "`/v1/notes/lookup` is not a note"),
    Replacement(
        "app/http/middleware/cors.py", r'^        (?:# Resumable|\*\("(?:Tus|Upload|Content-Digest))[^\n]*\n', count=ANY
    ),
    Replacement("app/http/openapi/document.py", "such as `upload_image`", "such as `create_note`"),
    Replacement("app/http/openapi/response_headers.py", "the image was stored", "the resource was changed", count=3),
    Replacement("app/http/openapi/texts.py", "_PATH_PARAMETERS = ", "_PATH_PARAMETERS: dict[str, str] = "),
    Replacement("app/http/openapi/texts.py", r'^    "(?:key_id|user_id|provider|tag)": [^\n]*\n', count=4),
    Replacement("app/http/problems.py", "image-not-found", "note-not-found"),
    Replacement("app/http/problems.py", "Image not found", "Note not found"),
    Replacement(
        "app/http/problems.py",
        "There is no image with this id, or the caller may not see it.",
        "There is no note with this id.",
    ),
    Replacement("app/http/problems.py", r'\["body", "email"\]', '["body", "title"]'),
    Replacement("app/http/problems.py", "The value must be an e-mail address.", "The value must not be empty."),
    Replacement("app/serving/request_head.py", r'^    b"(?:tus|upload)-[^\n]*\n', count=ANY),
    Replacement("app/db/schema/schema_upgrade.py", r" A schema of the previous version is renamed first\."),
    Replacement("app/db/schema/schema_upgrade.py", r", or the schema is too old"),
    Replacement("app/db/schema/schema_upgrade.py", r'^    config\.attributes\["adopt_previous_schema"\] = True\n'),
    Replacement(
        "app/serving/protocol.py",
        r"^        # A refused upload[^\n]*\n        container[^\n]*\n        return MAX_LATE_BODY_BYTES[^\n]*",
        "        return MAX_LATE_BODY_BYTES",
    ),
    Replacement(
        "app/http/site.py", "This service stores images and finds them by their tags.", "This service stores notes."
    ),
    Replacement("app/http/site.py", '/v1/images">The newest images, as JSON', '/v1/notes">The newest notes, as JSON'),
    Replacement("app/http/site.py", r'^<li><a href="[^"]*/ops">[^\n]*\n'),
    Replacement(
        "docker-local.env",
        r"the service, with values for the containers of `docker-compose up -d`\. Copy the file to use them:\n",
        "the service, with the addresses of servers on this machine. Copy the file to use them:\n",
    ),
    Replacement("docker-local.env", r"^# --- Accounts ", "# --- Secret "),
    Replacement("docker-local.env", "Redis: response cache and rate limits", "Redis: rate limits"),
    Replacement("docker-local.env", "--- Tags and search ", "--- Search "),
    Replacement("docker-local.env", "PostgreSQL: accounts, images, tags", "PostgreSQL"),
    Replacement(
        "docker-local.env",
        r"Mailed links and the redirects of identity providers use it, and the\n# pages.*?any port\)\. ",
    ),
    Replacement("docker-local.env", "/images-api", "/api"),
    Replacement("docker-local.env", "https://gallery.example.org", "https://www.example.org"),
    Replacement("docker-local.env", r"# Signs access tokens and page cursors", "# Signs page cursors"),
    Replacement(
        "docker-local.env", "used to verify existing tokens, never to sign new ones", "used to verify existing cursors"
    ),
    Replacement(
        "docker-local.env", "remove it after REFRESH_TOKEN_SECONDS", "remove it when no client needs an old page"
    ),
    Replacement("docker-local.env", "Object store: image files", "Object store"),
    Replacement(
        "docker-local.env",
        r"the default is images\.\nSTORAGE_BUCKET=images",
        "the default is files.\nSTORAGE_BUCKET=files",
    ),
    Replacement("migrations/env.py", r"^from alembic\.operations import Operations\n"),
    Replacement("migrations/env.py", r"^from app\.db\.schema\.rename_schema import rename_schema\n"),
    Replacement("migrations/env.py", "import LockNotAvailable, MigrationRefused", "import LockNotAvailable"),
    Replacement("migrations/env.py", "from app.models import Image", "from app.models import Note"),
    Replacement("migrations/env.py", r"^# The first revision of this version.*?(?=^def run\()", "\n"),
    Replacement("migrations/env.py", r"Image\.metadata", "Note.metadata"),
    Replacement("migrations/env.py", r"^        include_name=is_compared,\n"),
    Replacement("migrations/env.py", r"^    adopt_previous_schema\(connection\)\n"),
    Replacement("migrations/env.py", r"^def adopt_previous_schema.*?(?=^async def run_repeatedly)"),
    Replacement("migrations/env.py", r"^ADVISORY_LOCK = [^\n]*", "ADVISORY_LOCK = 0x6E6F746573"),
    Replacement(
        "pyproject.toml",
        '"Stores images and finds them by their tags: an asynchronous REST API."',
        '"Stores notes: an asynchronous REST API."',
    ),
    Replacement(
        "pyproject.toml",
        r'^files = \["app", "benchmarks".*?\]$',
        'files = ["app", "devstack", "migrations", "tests", "tools"]',
    ),
    Replacement("pyproject.toml", r'^    "lifespan",\n.*?(?=^layers = \["\(router\)")', _IMPORT_CONTRACTS),
    Replacement("pyproject.toml", r'^\[\[tool\.importlinter\.contracts\]\]\nname = "The query language.*?(?=^\[\[)'),
    Replacement("pyproject.toml", r'^\[\[tool\.importlinter\.contracts\]\]\nname = "Only app\.mail.*?(?=^\[\[)'),
    Replacement("pyproject.toml", r"^\[tool\.coverage\.run\].*\Z"),
    Replacement("pyproject.toml", r"^extend-exclude = [^\n]*\n"),
    Replacement("pyproject.toml", r'^"(?:benchmarks|client|tools/template)/[^\n]*\n', count=5),
    Replacement(
        "pyproject.toml", r"^# The files of the template import.*?\n", "# Each revision is checked when it runs.\n"
    ),
    Replacement("pyproject.toml", r', "tools/template/files"\]', "]"),
    Replacement("pyproject.toml", r"^# The generator's own template.*?(?=^\[\[)"),
    Replacement("pyproject.toml", r'^\[\[tool\.mypy\.overrides\]\]\nmodule = \["client\..*?(?=^\[\[)'),
    Replacement(
        "pyproject.toml", r'"(?:authlib|oauthlib|passlib|requests_oauthlib|skimage)\.\*", |"_pillow_heif", ', count=6
    ),
    Replacement("pyproject.toml", r', "testcontainers\.\*"'),
    Replacement("pyproject.toml", r"^# Of these plugins.*?$", "# The tests do not use these plugins."),
    Replacement("pyproject.toml", "-p no:schemathesis "),
    Replacement("pyproject.toml", r"^    \"ignore:'crypt' is deprecated[^\n]*\n"),
    Replacement("pyproject.toml", r'^    "journey: .*?(?=^\])'),
    Replacement(".gitattributes", r"^(?:client|docs/performance)/[^\n]*\n", count=4),
    Replacement(".gitattributes", r"^\n# Copied from another.*\Z"),
    Replacement(".gitignore", r"^(?:\.coverage|htmlcov|client|\.site|\.client_cache)[^\n]*\n", count=ANY),
    Replacement("tools/check.py", r"^# No tracked file may contain.*?\n\n", "\n"),
    Replacement("tools/check.py", "from tools import clients, compatibility, generated", "from tools import generated"),
    Replacement("tools/check.py", r' "See docs/how-to/add-a-feature\.md for migrations\.", sep="\\n"'),
    Replacement("tools/check.py", r"print\(error,\)", "print(error)"),
    Replacement("tools/check.py", r"^def run_quietly.*?(?=^def migrations_match_models)"),
    Replacement("tools/check.py", r"^def no_index_host.*?(?=^# The ones that take longest)"),
    Replacement("Dockerfile", r"^COPY client/[^\n]*\n"),
    Replacement(".dockerignore", r"^!client/[^\n]*\n"),
    # The name of the service has another length in copied lines.
    Replacement(
        "pyproject.toml", r"^ignore = \[\n", 'ignore = [\n    "E501",  # the formatter limits the lines of code\n'
    ),
    Replacement(
        "tools/check.py",
        r'^    "(?!mypy|migrations|ruff|format|import-linter|openapi|lock|proselint)[a-z -]+": [^\n]*\n',
        count=ANY,
    ),
    Replacement("tools/check.py", r"^    # Clichés.*?^    \),\n"),
    Replacement("tools/generated.py", r"^from tools import clients\n"),
    Replacement("tools/generated.py", r"^        clients\.write\(\)\n"),
)
