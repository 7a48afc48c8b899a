"""The operators' questions in docs/reference/telemetry.md are answered by a real MongoDB."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from app.telemetry.recording.recorder import Recorder
from tests.telemetry.records import make_record, telemetry_settings, until

DOCUMENT = (Path(__file__).parents[2] / "docs" / "reference" / "telemetry.md").read_text()
QUESTIONS = re.findall(r"^// (\d+)\. .*\n(db\..*)$", DOCUMENT, re.MULTILINE)
USER = "5c1f6d0e-6a0f-4d1b-9f0a-2f6f1c9f7a11"
REQUEST = "0d3f7c52a1b84e6f9c1d2e3f40516273"


def _python(line: str) -> str:
    """Translate the part of JavaScript that the questions use."""
    line = re.sub(r"new Date\(new Date\(\)\.setUTCHours\(0, 0, 0, 0\)\)", "midnight", line)
    line = re.sub(r"new Date\(Date\.now\(\) - ([0-9e* ]+)\)", r"(now - timedelta(milliseconds=\1))", line)
    line = re.sub(r"([{,] ?)(\$?\w+):", r'\1"\2":', line)
    return re.sub(r"\btrue\b", "True", line)


@pytest.fixture
async def filled(mongo_url: str, mongo: Database[dict[str, Any]], tmp_path: Path) -> Database[dict[str, Any]]:
    recorder = Recorder(telemetry_settings(mongo_url), tmp_path)
    await recorder.start()
    for number in range(200):
        recorder.record(make_record(number, user_id=USER, client="10.0.0.1", statements=3))
    recorder.record(make_record(0, request_id=REQUEST, status=404, route="unmatched", error_slug="not-found"))
    recorder.record(make_record(0, method="POST", route="/v1/images", status=499, client_disconnected=True))
    await until(lambda: recorder.written == 202)
    await recorder.close()
    return mongo


async def test_the_document_has_ten_questions() -> None:
    assert [number for number, _ in QUESTIONS] == [str(number) for number in range(1, 11)]


@pytest.mark.parametrize("line", [line for _, line in QUESTIONS], ids=[number for number, _ in QUESTIONS])
async def test_a_question_of_the_document_has_a_result(filled: Database[dict[str, Any]], line: str) -> None:
    now = datetime.now(UTC)
    names = {
        "db": filled,
        "now": now,
        "midnight": now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(minutes=5),
        "timedelta": timedelta,
    }
    assert list(eval(_python(line), {}, names))  # noqa: S307 - from our own document
