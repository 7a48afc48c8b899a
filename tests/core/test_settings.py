import pytest
from pydantic import ValidationError

from app.core.settings import Settings
from tests.repository import ROOT

PUBLISHED = "docker-local.env"


def docker_local(**overrides: object) -> Settings:
    return Settings(_env_file=ROOT / PUBLISHED, **overrides)  # type: ignore[arg-type]


def test_docker_local_env_names_every_setting_and_no_other() -> None:
    lines = (ROOT / PUBLISHED).read_text().splitlines()
    named = [line.partition("=")[0].lower() for line in lines if line and not line.startswith("#")]
    assert sorted(named) == sorted(Settings.model_fields)


def test_docker_local_env_is_served_in_development_only() -> None:
    assert docker_local().problems() == []
    refused = docker_local(app_env="production").problems()
    for name in ("JWT_SECRET", "DATABASE_URL", "MONGO_URL", "REDIS_URL", "STORAGE_SECRET_KEY"):
        assert any(line.startswith(name) and "docker-local.env" in line for line in refused), refused


def test_missing_settings_are_named_one_a_line() -> None:
    problems = Settings(_env_file=None).problems()
    assert "DATABASE_URL is not set" in problems
    assert "JWT_SECRET is not set" in problems


def test_short_jwt_secret_is_refused_in_production() -> None:
    assert any(
        "JWT_SECRET is shorter" in line for line in docker_local(app_env="production", jwt_secret="x" * 31).problems()
    )


def test_a_secret_is_never_shown() -> None:
    assert "docker-local-" not in repr(docker_local())


@pytest.mark.parametrize("url", ["postgresql://u@h/d", "postgresql+asyncpg://u@h/d", "postgres://u@h/d"])
def test_database_url_takes_the_spelling_of_psql_and_of_sqlalchemy(url: str) -> None:
    assert Settings(_env_file=None, database_url=url).sqlalchemy_url == "postgresql+asyncpg://u@h/d"


def test_another_database_is_refused() -> None:
    with pytest.raises(ValidationError, match="must start with postgresql://"):
        Settings(_env_file=None, database_url="mysql://u@h/d")


def test_cors_origins_are_split() -> None:
    assert Settings(_env_file=None, cors_origins="https://a.example, https://b.example").cors_origins == [
        "https://a.example",
        "https://b.example",
    ]
