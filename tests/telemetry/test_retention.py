"""The retention of the request log per status class, on a real MongoDB of any supported version."""

from typing import Any

import pytest
from pydantic import ValidationError
from pymongo.database import Database

from app.core.settings import Settings
from app.telemetry.mongo_store import RequestLog
from tests.telemetry.records import telemetry_settings

DAY = 86400
FIRST_VERSION_WITH_PARTIAL_TTL = 7


def _class_indexes(mongo: Database[dict[str, Any]]) -> dict[str, Any]:
    indexes = mongo.request_logs.index_information()
    return {name: index["expireAfterSeconds"] for name, index in indexes.items() if name.startswith("ttl_")}


@pytest.mark.integration
async def test_classes_expire_at_their_own_time_where_the_server_can(
    mongo_url: str, mongo: Database[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    has_partial_ttl = mongo.client.server_info()["versionArray"][0] >= FIRST_VERSION_WITH_PARTIAL_TTL
    for text, longest, indexes in (
        ("2xx=7,5xx=90", 90, {"ttl_1xx": 30, "ttl_2xx": 7, "ttl_3xx": 30, "ttl_4xx": 30}),
        ("2xx=8", 30, {"ttl_2xx": 8}),
    ):
        log = RequestLog(telemetry_settings(mongo_url, telemetry_retention_days_by_status=text))
        await log.ensure_collections()
        await log.close()
        [logs] = mongo.list_collections(filter={"name": "request_logs"})
        assert logs["options"]["expireAfterSeconds"] == longest * DAY
        expected = {name: days * DAY for name, days in indexes.items()} if has_partial_ttl else {}
        assert _class_indexes(mongo) == expected
    assert ("not prepared completely" in caplog.text) is not has_partial_ttl
    assert "request_logs_otel" in mongo.list_collection_names()


@pytest.mark.parametrize("text", ["2xx", "2xx=", "2xx=0", "2xx=-1", "200=7", "6xx=7", "2xx=7;5xx=9", "2xx=soon"])
def test_an_invalid_retention_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        telemetry_settings("", telemetry_retention_days_by_status=text)


def test_the_retention_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEMETRY_RETENTION_DAYS_BY_STATUS", " 2xx=7, 5xx = 90 ")
    settings = Settings(_env_file=None)
    assert settings.telemetry_retention_days_by_status == {"2xx": 7, "5xx": 90}
