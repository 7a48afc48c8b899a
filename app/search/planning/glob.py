"""Globs over the texts of a column: `*` stands for any characters, `?` for one; as SQL that the indexes can use."""

import re
from dataclasses import dataclass

from app.db.sql_text import TRUE, BindParameters, Condition, sql_and

_LAST_CHARACTER = "\U0010ffff"
_SURROGATES = range(0xD800, 0xE000)  # no characters
_EXTENSION = re.compile(r"\.\w+$")
_SELECTIVE = re.compile(r"\w{3}")
_ANY = re.compile(r"[*?]")


@dataclass(frozen=True, slots=True)
class Glob:
    """A pattern that the name of an image must fit, or the text of another column."""

    pattern: str
    column: str = "name"

    def sql(self, values: BindParameters) -> Condition:
        """Return the condition that a text fits, with a range for the B-tree index of the column."""
        if self.is_literal:
            return f"{self.column} = {values.bind(self.pattern)}"
        # PostgreSQL would use any trigrams for an index scan. The part after a prefix is often in every name, such as
        # an extension or a digit, and without trigrams the whole index is read. IS TRUE prevents both.
        # `like` adds no ?, so each ? is from the glob.
        fits = f"{self.column} LIKE {values.bind(like(self.pattern).replace('?', '_'))}"
        return sql_and([fits if self.has_selective_trigrams else f"({fits}) IS TRUE", self.prefix_range(values)])

    def prefix_range(self, values: BindParameters) -> Condition:
        """Return the range of the texts with the prefix of the glob."""
        return starts_with(self.column, self.prefix, values)

    def suffix_range(self, values: BindParameters) -> Condition:
        """Return the range of the reversed texts with the suffix of the glob."""
        return starts_with(f"reverse({self.column})", self.suffix[::-1], values)

    @property
    def prefix(self) -> str:
        """The literal prefix of all names that fit."""
        return _ANY.split(self.pattern, maxsplit=1)[0]

    @property
    def suffix(self) -> str:
        """The literal suffix of all names that fit."""
        return _ANY.split(self.pattern)[-1]

    @property
    def is_literal(self) -> bool:
        """Whether the glob has no wildcard, so that only one name fits."""
        return not _ANY.search(self.pattern)

    @property
    def has_selective_trigrams(self) -> bool:
        """Whether it has trigrams outside of its prefix and its extension."""
        return bool(_SELECTIVE.search(_EXTENSION.sub("", self.pattern[len(self.prefix) :])))


def like(pattern: str) -> str:
    """Return the LIKE pattern of a wildcard with `*`."""
    return pattern.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_").replace("*", "%")


def fits_wildcard(name: str, pattern: str) -> bool:
    """Return whether a name fits a wildcard with `*`."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL) is not None


def starts_with(column: str, prefix: str, values: BindParameters) -> Condition:
    """Return the range of the values with this prefix, in the collation "C"."""
    if not prefix:
        return TRUE
    lower = f"{column} >= {values.bind(prefix)}"
    end = _end_of_prefix(prefix)
    return f"({lower} AND {column} < {values.bind(end)})" if end else lower


def _end_of_prefix(prefix: str) -> str:
    """Return the first text after all with this prefix; empty if the prefix consists of the last character."""
    rest = prefix.rstrip(_LAST_CHARACTER)
    if not rest:
        return ""
    code = ord(rest[-1]) + 1
    return rest[:-1] + chr(_SURROGATES.stop if code in _SURROGATES else code)
