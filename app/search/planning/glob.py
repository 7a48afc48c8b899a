"""Patterns in which `*` stands for any characters and `?` for one: as SQL, and what of them an index can tell."""

import re
from dataclasses import dataclass

from app.db.sql_text import EVERY, Condition, Values, all_true

_LAST_CHARACTER = "\U0010ffff"
_SURROGATES = range(0xD800, 0xE000)  # no characters
_EXTENSION = re.compile(r"\.\w+$")
_TELLING = re.compile(r"\w{3}")
_ANY = re.compile(r"[*?]")


@dataclass(frozen=True, slots=True)
class Glob:
    """What the name of an image must look like."""

    pattern: str

    def sql(self, values: Values) -> Condition:
        """Return the condition that a name fits, with what the plain index of the names can tell of it."""
        if self.is_plain:
            return f"name = {values.bind(self.pattern)}"
        # PostgreSQL would look up whatever trigrams there are. What comes after a prefix often is in every name, an
        # extension, a digit; and without any the whole index of the trigrams is read.
        # After `like`, a ? is only ever the glob's own.
        fits = f"name LIKE {values.bind(like(self.pattern).replace('?', '_'))}"
        return all_true([fits if self.is_telling else f"({fits}) IS TRUE", self.begins(values)])

    def begins(self, values: Values) -> Condition:
        """Return the range of the names that begin so."""
        return starts_with("name", self.prefix, values)

    def ends(self, values: Values) -> Condition:
        """Return the range of the reversed names of those that end so."""
        return starts_with("reverse(name)", self.suffix[::-1], values)

    @property
    def prefix(self) -> str:
        """What every name begins with that fits."""
        return _ANY.split(self.pattern, maxsplit=1)[0]

    @property
    def suffix(self) -> str:
        """What every name ends with that fits."""
        return _ANY.split(self.pattern)[-1]

    @property
    def is_plain(self) -> bool:
        """Whether only one name fits."""
        return not _ANY.search(self.pattern)

    @property
    def is_telling(self) -> bool:
        """Whether it has trigrams, besides its prefix and its extension, to find names by."""
        return bool(_TELLING.search(_EXTENSION.sub("", self.pattern[len(self.prefix) :])))


def like(pattern: str) -> str:
    """Return the LIKE pattern of a wildcard, in which `*` stands for any characters."""
    return pattern.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_").replace("*", "%")


def starts_with(column: str, prefix: str, values: Values) -> Condition:
    """Return the range, in the collation "C", of what starts so."""
    if not prefix:
        return EVERY
    first = f"{column} >= {values.bind(prefix)}"
    following = _following(prefix)
    return f"({first} AND {column} < {values.bind(following)})" if following else first


def _following(prefix: str) -> str:
    """Return the first text after all that start so; none follows the last character there is."""
    rest = prefix.rstrip(_LAST_CHARACTER)
    if not rest:
        return ""
    code = ord(rest[-1]) + 1
    return rest[:-1] + chr(_SURROGATES.stop if code in _SURROGATES else code)
