"""The constraints whose violation is reported to the client exist under these names."""

from app.db.errors import CONFLICTS
from app.models import Image


def test_each_conflict_names_a_constraint_of_the_schema() -> None:
    tables = Image.metadata.tables.values()
    names = {constraint.name for table in tables for constraint in table.constraints}
    names |= {index.name for table in tables for index in table.indexes}
    assert set(CONFLICTS) <= names
