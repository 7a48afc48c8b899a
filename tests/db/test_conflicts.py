"""The constraints whose violation is reported to the client exist under these names."""

from importlib import import_module

from app.core.errors import error_types
from app.models import Image


def test_each_conflict_names_a_constraint_of_the_schema() -> None:
    import_module("app.main")  # it imports every feature
    tables = Image.metadata.tables.values()
    names = {constraint.name for table in tables for constraint in table.constraints}
    names |= {index.name for table in tables for index in table.indexes}
    conflicts = {constraint for kind in error_types() for constraint in kind.constraints}
    assert {"uq_images_name", "uq_tags_name", "uq_users_email"} <= conflicts <= names
