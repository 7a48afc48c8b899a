"""Corrections of common mistakes in a query.

A correction is only suggested: with the error of a query that does not parse, or as a hint on an empty page. Each is
one pass over the text.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from app.search.language.filters import FILTER_NAMES

# Text between white space; a quoted part may contain white space.
_CHUNK = re.compile(r'(?:"[^"]*"|[^\s"])+')
_OPERATORS: Mapping[str, str] = MappingProxyType(
    {"or": "OR", "and": "AND", "not": "NOT", "||": "OR", "&&": "AND", "!": "NOT"}
)
_WORD_OR_SIGN = re.compile(r"(?P<before>\(*)(?P<operator>or|and|not|\|\||&&|!)(?P<after>\)*)", re.IGNORECASE)
_GLUED_SIGN = re.compile(r"\|\||&&")
_GLUED_NOT = re.compile(r"(?P<before>^|[(|])!+(?=[^\s!])")
_OPEN_FILTER = re.compile(rf"[(-]*(?:{'|'.join(FILTER_NAMES)}):(?:[<>]=?)?", re.IGNORECASE)
_UNITLESS_SIZE = re.compile(r"[(-]*size:\S*[0-9]", re.IGNORECASE)
_UNIT = re.compile(r"(?:b|kb|mb|gb)\)*", re.IGNORECASE)
_AT_LEAST = re.compile(r"[0-9]{1,3}-of:\(")
# A parenthesis next to punctuation, or a closing one before more text: `:)`, `(o)_(o)`.
_PARENTHESIS_IN_TAG = re.compile(r"[^\w\s()-]\(|[^\w\s()]\)|[()][^\w\s()-]|\)[^)]")

Rewrite: TypeAlias = Callable[[list[str]], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Correction:
    """A corrected query, and the rule of the language that the original breaks."""

    message: str
    query: str


def corrections(text: str) -> Iterator[Correction]:
    """Yield the corrections that change the text. A corrected query may still not parse."""
    chunks = _CHUNK.findall(text)
    for message, rewrite in _REWRITES.items():
        rewritten = list(rewrite(chunks))
        if rewritten != chunks:
            yield Correction(message, " ".join(rewritten))


def _write_operators(chunks: list[str]) -> Iterator[str]:
    for chunk in chunks:
        if '"' in chunk:
            yield chunk
        elif match := _WORD_OR_SIGN.fullmatch(chunk):
            yield f"{match['before']}{_OPERATORS[match['operator'].lower()]}{match['after']}"
        else:
            spaced = _GLUED_SIGN.sub(lambda sign: f" {_OPERATORS[sign[0]]} ", chunk)
            yield _GLUED_NOT.sub(r"\g<before>-", spaced).strip()


def _join_filters(chunks: list[str]) -> Iterator[str]:
    joined: list[str] = []
    for chunk in chunks:
        if joined and _belongs_to(joined[-1], chunk):
            joined[-1] += chunk
        else:
            joined.append(chunk)
    return iter(joined)


def _belongs_to(before: str, chunk: str) -> bool:
    is_unit = _UNIT.fullmatch(chunk) and _UNITLESS_SIZE.fullmatch(before)
    return bool(is_unit or _OPEN_FILTER.fullmatch(before))


def _quote_parentheses(chunks: list[str]) -> Iterator[str]:
    for chunk in chunks:
        sign = "-" if chunk.startswith("-") else ""
        tag = chunk.removeprefix("-")
        is_group = '"' in tag or "|" in tag or _AT_LEAST.match(tag)
        yield f'{sign}"{tag}"' if not is_group and _PARENTHESIS_IN_TAG.search(tag) else chunk


_REWRITES: Mapping[str, Rewrite] = MappingProxyType(
    {
        "Operators are upper-case: OR, AND and NOT; - negates one term.": _write_operators,
        "Write a filter and its value, or a number and its unit, without a space.": _join_filters,
        "Parentheses form groups. Quote a tag that contains them.": _quote_parentheses,
    }
)
