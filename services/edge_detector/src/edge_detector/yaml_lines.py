"""YAML files whose every mistake is named with its line."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from maskwatch_runtime.errors import Misconfigured
from pydantic import ValidationError

# A settings file is a few pages long; this keeps a wrong path from being read into memory.
_SIZE_BYTES_MAX = 1024 * 1024
_COLLECTIONS = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})

Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, and in which line.

    Attributes:
        path: The file.
        data: Maps, lists and scalars; None when the file is empty.
        lines: The line, from 1, of each value by its location: keys and indices from the root.
    """

    path: Path
    data: Any
    lines: Mapping[Location, int]

    def where(self, location: Location) -> str:
        """Return `file:line` of the value, or of the nearest one around it that the file has."""
        known: Location = ()
        for part in location:
            # Validators put names of types between the keys: those are skipped.
            if (*known, part) in self.lines:
                known = (*known, part)
        return f"{self.path}:{self.lines.get(known, 1)}"

    def wrong(self, location: Location, reason: str) -> Misconfigured:
        """Return the error that names a value by file, line and key."""
        named = ".".join(str(part) for part in location if isinstance(part, str))
        return Misconfigured(f"{self.where(location)}: {named + ': ' if named else ''}{reason}")

    def refused(self, error: ValidationError, *, below: Location = ()) -> Misconfigured:
        """Return the error that names everything that a model refuses, never a value.

        Args:
            error: What pydantic says of the part of the document ...
            below: ... at this location.
        """
        problems = [
            str(self.wrong((*below, *_keys(problem["loc"])), _reason(problem)))
            for problem in error.errors(include_input=False, include_url=False)
        ]
        return Misconfigured("; ".join(problems))


def read(path: Path) -> Document:
    """Return the document that a file holds.

    Raises:
        Misconfigured: It cannot be read, is no YAML, has a key twice, or uses anchors and aliases.
    """
    try:
        if path.stat().st_size > _SIZE_BYTES_MAX:
            raise Misconfigured(f"{path} is larger than {_SIZE_BYTES_MAX} bytes")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}") from error
    return parse(text, path=path)


def parse(text: str, *, path: Path) -> Document:
    """Return the document that the text of a file is.

    Raises:
        Misconfigured: As `read`.
    """
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        reader = _Reader(loader, path)
        data = None if node is None else reader.value(node, ())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Misconfigured(f"{path}:{line}: {error.problem or 'no YAML'}") from error
    except yaml.YAMLError as error:
        raise Misconfigured(f"{path}:1: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise Misconfigured(f"{path}:1: nested too deeply") from error
    return Document(path, data, reader.lines)


class _Reader:
    def __init__(self, loader: yaml.SafeLoader, path: Path) -> None:
        self._loader = loader
        self._path = path
        self._seen: set[int] = set()
        self.lines: dict[Location, int] = {}

    def value(self, node: yaml.Node, location: Location) -> Any:
        self.lines.setdefault(location, _line(node))
        if id(node) in self._seen:
            raise Misconfigured(f"{self._path}:{_line(node)}: anchors and aliases are not read")
        self._seen.add(id(node))
        if isinstance(node, yaml.CollectionNode) and node.tag not in _COLLECTIONS:
            raise Misconfigured(f"{self._path}:{_line(node)}: the tag {node.tag} is not read")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*location, index)) for index, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key, line = key_node.value, _line(key_node)
            if not isinstance(key, str):
                raise Misconfigured(f"{self._path}:{line}: a key has to be a word")
            if key in found:
                raise Misconfigured(f"{self._path}:{line}: {key} is there twice")
            self.lines[*location, key] = line
            found[key] = self.value(value_node, (*location, key))
        return found

    def _scalar(self, node: yaml.Node) -> Any:
        try:
            return self._loader.construct_object(node)
        except ValueError as error:  # such as the thirtieth of February
            raise Misconfigured(f"{self._path}:{_line(node)}: {error}") from error


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _keys(location: tuple[int | str, ...]) -> Location:
    return tuple(location)


def _reason(problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        return "there is no such key"
    if problem["type"] == "missing":
        return "is missing"
    return str(problem["msg"]).removeprefix("Value error, ")
