"""The abstract syntax tree of a query, and its canonical text.

`format_query(parse(format_query(tree)))` equals `format_query(tree)`. Cursors are bound to this text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Tag:
    """Matches images with the tag of this normalised name, or with the tag that it is an alias of."""

    name: str


@dataclass(frozen=True, slots=True)
class Wildcard:
    """Matches images with a tag whose name, or an alias of it, fits; `*` stands for any characters."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Matches images whose property has one of these normalised values."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Matches images that do not match the term."""

    term: "Node"


@dataclass(frozen=True, slots=True)
class And:
    """Matches images that match every term; without terms, all images."""

    terms: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Matches images that match at least one term."""

    terms: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class AtLeast:
    """Matches images that match at least `number` of the terms."""

    number: int
    terms: tuple["Node", ...]


Node: TypeAlias = Tag | Wildcard | Filter | Not | And | Or | AtLeast
MATCH_ALL = And(())

# A tag that needs no quotation marks, because it cannot be read as a group, a filter or a keyword.
_BARE = re.compile(r"[^\s\"()|:*-][^\s\"()|:*]*")
_BARE_VALUE = re.compile(r"[^\s\"()|]+")


def conjunction(terms: list[Node]) -> Node:
    """Join terms by AND. A conjunction among them is flattened."""
    flat = [one for term in terms for one in (term.terms if isinstance(term, And) else (term,))]
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def disjunction(terms: list[Node]) -> Node:
    """Join terms by OR. A disjunction among them is flattened."""
    flat = [one for term in terms for one in (term.terms if isinstance(term, Or) else (term,))]
    return flat[0] if len(flat) == 1 else Or(tuple(flat))


def negate(term: Node) -> Node:
    """Negate a term. A double negation is removed."""
    return term.term if isinstance(term, Not) else Not(term)


def walk(node: Node) -> Iterator[Node]:
    """Yield a term and all terms in it, in depth-first order."""
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
    """Yield the tags, wildcards and filters of a query."""
    return (node for node in walk(query) if isinstance(node, Tag | Wildcard | Filter))


def without_leaf(query: Node, number: int) -> Node | None:
    """Return a query without the leaf of this number in the order of `leaves`; None if nothing is left of it.

    A group that becomes empty is removed, too. "n of k" requires at most as many terms as are left.
    """
    match query:
        case Not(term):
            rest = without_leaf(term, number)
            return None if rest is None else negate(rest)
        case And(terms) | Or(terms) | AtLeast(_, terms):
            kept = _without_leaf(terms, number)
            if not kept:
                return None
            if isinstance(query, AtLeast):
                return AtLeast(min(query.number, len(kept)), tuple(kept))
            return conjunction(kept) if isinstance(query, And) else disjunction(kept)
    return None if number == 0 else query


def _without_leaf(terms: tuple[Node, ...], number: int) -> list[Node]:
    kept = []
    for term in terms:
        size = sum(1 for _ in leaves(term))
        rest = without_leaf(term, number) if 0 <= number < size else term
        kept += [] if rest is None else [rest]
        number -= size
    return kept


def format_query(node: Node) -> str:  # noqa: PLR0911 - one for each kind of node
    """Return the canonical text of a query."""
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
            return " ".join(f"({format_query(term)})" if isinstance(term, Or) else format_query(term) for term in terms)
        case Or(terms):
            return " OR ".join(format_query(term) for term in terms)
        case AtLeast(number, terms):
            return f"{number}-of:({' '.join(_unary(term) for term in terms)})"


def _unary(node: Node) -> str:
    return f"({format_query(node)})" if isinstance(node, And | Or) else format_query(node)


def _value(value: str) -> str:
    return value if _BARE_VALUE.fullmatch(value) and "," not in value else f'"{value}"'
