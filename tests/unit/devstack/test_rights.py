"""The rights that the secure profile is tested with are those that an operator is told to give."""

import re
from pathlib import Path

from devstack.secure.rights import RIGHTS, Operation, Resource, Right

_COMMAND = re.compile(
    r"kafka-acls\.sh --add --allow-principal User:(\w+) --operation (\w+) --(topic|group) (\S+)"
)
_DOCUMENT = Path(__file__).parents[3] / "docs" / "security.md"


def test_document_has_a_command_for_each_right_and_no_other() -> None:
    told = [
        (login, Right(Resource[resource.upper()], name, Operation[operation.upper()]))
        for login, operation, resource, name in _COMMAND.findall(_DOCUMENT.read_text("utf-8"))
    ]

    assert told == [(login, right) for login, rights in RIGHTS.items() for right in rights]
