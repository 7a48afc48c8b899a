import pytest
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import create_async_engine

from app.core.settings import Settings
from tests.support.paths import ROOT

PUBLISHED = "docker-local.env"


def docker_local(**overrides: object) -> Settings:
    return Settings(_env_file=ROOT / PUBLISHED, **overrides)  # type: ignore[arg-type]


def test_docker_local_env_names_every_setting_and_no_other() -> None:
    lines = (ROOT / PUBLISHED).read_text().splitlines()
    named = [line.partition("=")[0].lower() for line in lines if line and not line.startswith("#")]
    assert sorted(named) == sorted(Settings.model_fields)


def test_docker_local_env_is_served_in_development_only() -> None:
    assert docker_local().validation_errors() == []
    refused = docker_local(app_env="production").validation_errors()
    for name in ("JWT_SECRET", "DATABASE_URL", "MONGO_URL", "REDIS_URL", "STORAGE_SECRET_KEY"):
        assert any(line.startswith(name) and "docker-local.env" in line for line in refused), refused


def test_missing_settings_are_named_one_a_line() -> None:
    problems = Settings(_env_file=None).validation_errors()
    assert "DATABASE_URL is not set" in problems
    assert "JWT_SECRET is not set" in problems


def test_short_jwt_secret_is_refused_in_production() -> None:
    assert any(
        "JWT_SECRET is shorter" in line
        for line in docker_local(app_env="production", jwt_secret="x" * 31).validation_errors()
    )


def test_a_secret_is_never_shown() -> None:
    assert "docker-local-" not in repr(docker_local())


@pytest.mark.parametrize("url", ["postgresql://u@h/d", "postgresql+asyncpg://u@h/d", "postgres://u@h/d"])
def test_database_url_accepts_the_forms_of_psql_and_sqlalchemy(url: str) -> None:
    assert Settings(_env_file=None, database_url=url).sqlalchemy_url == "postgresql+asyncpg://u@h/d"


def test_the_direct_address_is_that_of_the_database_unless_a_pooler_is_in_front_of_it() -> None:
    settings = Settings(_env_file=None, database_url="postgresql://u@h/d")
    assert (settings.direct_database_url, settings.sqlalchemy_direct_url) == (
        "postgresql://u@h/d",
        "postgresql+asyncpg://u@h/d",
    )
    behind = Settings(_env_file=None, database_url="postgresql://u@pooler/d", database_direct_url="postgresql://u@h/d")
    assert behind.sqlalchemy_direct_url == "postgresql+asyncpg://u@h/d"


def test_another_database_is_refused() -> None:
    with pytest.raises(ValidationError, match="must start with postgresql://"):
        Settings(_env_file=None, database_url="mysql://u@h/d")


def test_parameters_of_psql_for_tls_and_hosts_reach_the_driver() -> None:
    url = "postgresql://u:p%40@/d?host=a:1&host=b:2&target_session_attrs=primary&sslmode=verify-full"
    expected = "postgresql+asyncpg://u:p%40@/d?host=a%3A1&host=b%3A2&target_session_attrs=primary&ssl=verify-full"
    assert Settings(_env_file=None, database_url=url).sqlalchemy_url == expected


async def test_required_tls_is_requested(settings: Settings) -> None:
    url = f"{settings.database_url.get_secret_value()}?sslmode=require"
    engine = create_async_engine(Settings(_env_file=None, database_url=url).sqlalchemy_url)
    with pytest.raises(OSError, match="SSL"):
        async with engine.connect():
            pass
    await engine.dispose()


@pytest.mark.parametrize(
    "values",
    [
        {"database_url": "postgresql://u@h/d?channel_binding=require"},
        {"storage_endpoint": "http://minio:9000"},
        {"storage_endpoint": "minio:9000/path"},
        {"storage_public_endpoint": "ftp://cdn.example"},
        {"storage_public_endpoint": "https://cdn.example/images"},
    ],
)
def test_an_address_that_could_not_be_used_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Settings(_env_file=None, **values)  # type: ignore[arg-type]


def test_cors_origins_are_split() -> None:
    assert Settings(_env_file=None, cors_origins="https://a.example, https://b.example").cors_origins == [
        "https://a.example",
        "https://b.example",
    ]


@pytest.mark.parametrize(
    ("given", "public_url", "path_prefix"),
    [
        ("https://images.example.org", "https://images.example.org", ""),
        ("https://images.example.org/", "https://images.example.org", ""),
        ("https://example.org/images-api/", "https://example.org/images-api", "/images-api"),
        ("https://example.org/a/.b/c..d/~e", "https://example.org/a/.b/c..d/~e", "/a/.b/c..d/~e"),
    ],
)
def test_f44_a_public_url_may_have_a_path(given: str, public_url: str, path_prefix: str) -> None:
    settings = Settings(_env_file=None, public_url=given)
    assert (settings.public_url, settings.path_prefix) == (public_url, path_prefix)


@pytest.mark.parametrize(
    "path",
    ["//a", "/a//b", "/.", "/..", "/a/../b", "/a b", "/a;b", "/a%20b", '/a"b', "/ä", "/a\n", "/a?", "/a?b", "/a#b"],
)
def test_f44_a_public_url_needs_no_escape(path: str) -> None:
    with pytest.raises(ValidationError, match="must"):
        Settings(_env_file=None, public_url=f"https://example.org{path}")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("DOOMED_GRACE_SECONDS", "orphan_grace_seconds"),
        ("SEARCHES_AT_ONCE", "search_concurrency_per_client"),
        ("UPLOADS_AT_ONCE", "upload_concurrency_per_client"),
        ("TAG_COUNT_INTERVAL_SECONDS", "tag_count_compaction_interval_seconds"),
        ("TAG_BITMAP_INTERVAL_SECONDS", "bitmap_index_update_interval_seconds"),
        ("TELEMETRY_QUERY_VALUES", "telemetry_logged_query_params"),
    ],
)
def test_old_names_of_settings_are_accepted(old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(old, "7")
    assert float(getattr(Settings(_env_file=None), new)) == 7
    monkeypatch.setenv(new.upper(), "8")
    assert float(getattr(Settings(_env_file=None), new)) == 8
