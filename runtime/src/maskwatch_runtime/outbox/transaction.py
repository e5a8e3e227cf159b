"""A write to the outbox: all of it or nothing."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what the block does; undo it when the block or the commit fails.

    IMMEDIATE, because a writer that began by reading could not wait for another one.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk or an I/O error may already have ended it.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
