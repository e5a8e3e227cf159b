"""What PostgreSQL will never take, told from everything else that goes wrong."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

# SQLSTATE classes that speak of the values: data exception, integrity constraint, check option.
# Source: PostgreSQL manual, appendix A.
_CLASSES_OF_VALUES = ("22", "23", "44")


class RowRefused(Exception):  # noqa: N818 - errors are named for what is wrong
    """PostgreSQL will never take at least one of the rows; none was written."""


class ParentMissing(RowRefused):
    """A device or model that a row refers to is not there."""


@contextmanager
def refusals() -> Iterator[None]:
    """Raise RowRefused for values that PostgreSQL refuses; all other errors pass as they are."""
    try:
        yield
    except asyncpg.ForeignKeyViolationError as error:
        raise ParentMissing(str(error)) from error
    except asyncpg.PostgresError as error:
        if (error.sqlstate or "")[:2] in _CLASSES_OF_VALUES:
            raise RowRefused(str(error)) from error
        raise
