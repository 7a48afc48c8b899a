"""The tree of a query, and the one spelling of it.

`canonical(parse(canonical(tree)))` is `canonical(tree)`: cursors are bound to it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Tag:
    """Has the tag of this normalised name, or the one that it is an alias of."""

    name: str


@dataclass(frozen=True, slots=True)
class Wildcard:
    """Has at least one tag whose name, or an alias of it, matches; `*` stands for any characters."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Has a property with one of these values, each in its canonical spelling."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Does not match the term."""

    term: "Node"


@dataclass(frozen=True, slots=True)
class And:
    """Matches every term; without terms, everything does."""

    terms: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Matches one of the terms."""

    terms: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class AtLeast:
    """Matches `number` of the terms or more."""

    number: int
    terms: tuple["Node", ...]


Node: TypeAlias = Tag | Wildcard | Filter | Not | And | Or | AtLeast
EVERYTHING = And(())

# A tag that may stand without quotes: nothing in it could be read as a group, a filter or a keyword.
_BARE = re.compile(r"[^\s\"()|:*-][^\s\"()|:*]*")
_BARE_VALUE = re.compile(r"[^\s\"()|]+")


def all_of(terms: list[Node]) -> Node:
    """Join by AND; a conjunction among the terms dissolves into it."""
    flat = [one for term in terms for one in (term.terms if isinstance(term, And) else (term,))]
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def any_of(terms: list[Node]) -> Node:
    """Join by OR; a disjunction among the terms dissolves into it."""
    flat = [one for term in terms for one in (term.terms if isinstance(term, Or) else (term,))]
    return flat[0] if len(flat) == 1 else Or(tuple(flat))


def negation(term: Node) -> Node:
    """Negate; twice is not at all."""
    return term.term if isinstance(term, Not) else Not(term)


def nodes(node: Node) -> Iterator[Node]:
    """Yield the term and all that it is made of."""
    pending = [node]
    while pending:
        term = pending.pop()
        yield term
        match term:
            case Not(negated):
                pending.append(negated)
            case And(terms) | Or(terms) | AtLeast(_, terms):
                pending.extend(reversed(terms))


def leaves(query: Node) -> Iterator[Tag | Wildcard | Filter]:
    """Yield the terms of a query that are not made of others."""
    return (node for node in nodes(query) if isinstance(node, Tag | Wildcard | Filter))


def canonical(node: Node) -> str:  # noqa: PLR0911 - one a kind of node
    """Return the one spelling of a query."""
    match node:
        case Tag(name):
            return name if _BARE.fullmatch(name) else f'"{name}"'
        case Wildcard(pattern):
            return pattern
        case Filter(name, values):
            return f"{name}:{','.join(_value(value) for value in values)}"
        case Not(term):
            return f"-{_unary(term)}"
        case And(terms):
            return " ".join(f"({canonical(term)})" if isinstance(term, Or) else canonical(term) for term in terms)
        case Or(terms):
            return " OR ".join(canonical(term) for term in terms)
        case AtLeast(number, terms):
            return f"{number}-of:({' '.join(_unary(term) for term in terms)})"


def _unary(node: Node) -> str:
    return f"({canonical(node)})" if isinstance(node, And | Or) else canonical(node)


def _value(value: str) -> str:
    return value if _BARE_VALUE.fullmatch(value) and "," not in value else f'"{value}"'
