import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InvalidCursor
from app.core.pagination import CursorSigner

SIGNER = CursorSigner("secret")


@given(st.lists(st.one_of(st.integers(), st.text(), st.none(), st.booleans())), st.text())
def test_a_cursor_contains_its_position(position: list[object], query: str) -> None:
    assert SIGNER.decode(SIGNER.encode(position, query), query) == position


@given(st.text())
def test_arbitrary_text_is_an_invalid_cursor(text: str) -> None:
    with pytest.raises(InvalidCursor):
        SIGNER.decode(text, "query")


def test_a_cursor_outlives_a_rotation_of_the_secret() -> None:
    cursor = SIGNER.encode([1], "query")
    assert CursorSigner("new", ["secret"]).decode(cursor, "query") == [1]


def test_a_cursor_of_another_query_or_secret_or_an_edited_one_is_refused() -> None:
    cursor = SIGNER.encode([1, "a"], "query")
    with pytest.raises(InvalidCursor):
        SIGNER.decode(cursor, "other query")
    with pytest.raises(InvalidCursor):
        CursorSigner("other").decode(cursor, "query")
    for at in range(len(cursor)):
        edited = cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
        with pytest.raises(InvalidCursor):
            SIGNER.decode(edited, "query")


@pytest.mark.parametrize(
    "cursor",
    [
        # The form before signatures came from itsdangerous: base64url of MAC and JSON.
        "dGhlIG1hYyBvZiAxMmJbMSwiYSJd",
        "AAAAAAAAAAAAAAAAWzFd",
        "\ud800",
        ".",
        "..",
        ".eJx.AAAA",
    ],
)
def test_malformed_cursors_and_those_of_earlier_versions_are_invalid(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        SIGNER.decode(cursor, "query")


def test_a_signature_has_one_spelling() -> None:
    cursor = SIGNER.encode([1, "a"], "query")
    variants = [cursor + "=", cursor + "!", f"{cursor[:-3]}*{cursor[-3:]}", cursor + "\n"]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    variants += [cursor[:-1] + last for last in alphabet if last != cursor[-1]]
    for variant in variants:
        with pytest.raises(InvalidCursor):
            SIGNER.decode(variant, "query")
