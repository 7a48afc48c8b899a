import pytest

from app.telemetry.redaction import (
    MAX_PARAMETERS,
    PersonalData,
    choose_recorded_parameters,
    escape,
    parse_address,
    redact_query,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$where", "$where"),
        ("a.b", "a.b"),
        ("caf\u00e9", "caf\u00e9"),
        ("a\x00b", r"a\x00b"),
        ("a\ud800", r"a\ud800"),
        ("a\nb", r"a\nb"),
        ("\u202eabc", r"\u202eabc"),
        ("x" * 11, "x" * 9 + "\u2026"),
    ],
)
def test_plain(text: str, expected: str) -> None:
    assert escape(text, 10) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"limit=20&sort=-created", "limit=20&sort=-created"),
        (b"q=cat&limit=x", "q=[redacted]&limit=[redacted]"),
        (b"X-Amz-Signature=abc", "[other]=[redacted]"),
        (b"code=1234567890123", "code=[redacted]"),
        (b"&&limit", "limit="),
        (b"\xff\x00=1", "[other]=[redacted]"),
    ],
)
def test_redacted_query(raw: bytes, expected: str) -> None:
    assert redact_query(raw) == expected


def test_values_of_logged_parameters_are_kept() -> None:
    assert redact_query(b"q=black+cat%00&cursor=abc", frozenset({"q"})) == r"q=black cat\x00&cursor=[redacted]"


def test_an_address_is_recorded_where_personal_data_is() -> None:
    assert choose_recorded_parameters("q, email", "keep") == {"q", "email"}
    assert choose_recorded_parameters("q, email", "drop") == {"q"}


def test_query_is_bounded() -> None:
    assert redact_query(b"limit=1&" * 100_000).count("limit") <= MAX_PARAMETERS


def test_personal_data() -> None:
    assert PersonalData("keep", "s").anonymize("10.0.0.1") == "10.0.0.1"
    assert PersonalData("drop", "s").anonymize("10.0.0.1") is None
    hashed = PersonalData("hash", "s").anonymize("10.0.0.1")
    assert hashed == PersonalData("hash", "s").anonymize("10.0.0.1")
    assert hashed not in ("10.0.0.1", PersonalData("hash", "other").anonymize("10.0.0.1"))


def test_address() -> None:
    assert parse_address("2001:db8::1") == "2001:db8::1"
    assert parse_address("<script>") is None
    assert parse_address("fe80::1%<script>") is None
