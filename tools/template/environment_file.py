"""The file of settings of the skeleton: the entries of this project's file whose settings the skeleton has."""

import re
from collections.abc import Set as AbstractSet

_ASSIGNMENT = re.compile(r"^([A-Z_]+)=.*$", re.MULTILINE)


def derive_environment_file(text: str, settings: AbstractSet[str]) -> str:
    """Return the blocks that set one of `settings`, and the headings of the blocks that are left."""
    blocks = text.rstrip("\n").split("\n\n")
    kept = [block for block in blocks if not (name := _ASSIGNMENT.search(block)) or name[1] in settings]
    headings = {index for index, block in enumerate(kept) if block.startswith("# ---")}
    empty = {index for index in headings if index + 1 in headings or index + 1 == len(kept)}
    return "\n\n".join(block for index, block in enumerate(kept) if index not in empty) + "\n"
