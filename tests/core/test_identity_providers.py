import json

import pytest
from pydantic import ValidationError

from app.core.settings import Settings

CLIENT = {"client_id": "id", "client_secret": "secret"}


def providers(given: object) -> Settings:
    return Settings(_env_file=None, social_providers=given)


def test_known_providers_need_credentials_only() -> None:
    known = providers({"google": CLIENT, "gitlab": CLIENT, "github": CLIENT, "microsoft": {**CLIENT, "tenant": "t"}})
    issuers = {name: one.issuer for name, one in known.social_providers.items()}
    assert issuers == {
        "google": "https://accounts.google.com",
        "gitlab": "https://gitlab.com",
        "github": "https://github.com",
        "microsoft": "https://login.microsoftonline.com/t/v2.0",
    }
    assert known.social_providers["github"].kind == "github"


def test_providers_are_read_from_the_environment_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOCIAL_PROVIDERS", json.dumps({"own": {**CLIENT, "issuer": "https://id.example.com/"}}))
    monkeypatch.setenv("LOGIN_LIMITS", '{"account": "5/hour", "address": "6/minute", "total": "7/second"}')
    settings = Settings(_env_file=None)
    assert settings.social_providers["own"].issuer == "https://id.example.com"
    assert "secret" not in repr(settings.social_providers["own"].client_secret)
    assert settings.login_limits.account.interval == 720


@pytest.mark.parametrize(
    "given",
    [
        {"own": CLIENT},
        {"own": {**CLIENT, "issuer": "http://id.example.com"}},
        {"own": {**CLIENT, "issuer": "ftp://id.example.com"}},
        {"own": {**CLIENT, "issuer": "https://id.example.com", "secrets": 1}},
        {"microsoft": CLIENT},
        {"../x": {**CLIENT, "issuer": "https://id.example.com"}},
        {"google": "id"},
        [],
    ],
)
def test_unusable_providers_are_refused(given: object) -> None:
    with pytest.raises(ValidationError):
        providers(given)


@pytest.mark.parametrize("rate", ["", "10", "0/minute", "-1/minute", "10/week", "1e9/second"])
def test_rates_read_like_ten_a_minute(rate: str) -> None:
    with pytest.raises(ValidationError):
        Settings(_env_file=None, login_limits={"account": rate, "address": "1/hour", "total": "1/hour"})


def test_production_needs_a_public_url_for_redirects() -> None:
    given = {"google": CLIENT}
    local = Settings(_env_file=None, app_env="production", social_providers=given)
    assert any(line.startswith("PUBLIC_URL") for line in local.validation_errors())
    public = Settings(_env_file=None, app_env="production", social_providers=given, public_url="https://i.example.com")
    assert not any(line.startswith("PUBLIC_URL") for line in public.validation_errors())
