"""A service never imports another service, and nothing imports a service but the tests."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_SERVICES = ("edge_detector", "dispatcher", "ingress", "notifier")
_MAY_USE = {
    "proto/src": set(),
    "runtime/src": {"maskwatch_proto"},
    **{f"services/{name}/src": {"maskwatch_proto", "maskwatch_runtime"} for name in _SERVICES},
    "devstack/src": {"maskwatch_proto", "maskwatch_runtime"},
}
_OURS = {"maskwatch_proto", "maskwatch_runtime", "devstack", *_SERVICES}


@cache
def _imports(path: Path) -> frozenset[str]:
    return frozenset(_imported(ast.parse(path.read_text(encoding="utf-8"))))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("source", sorted(_MAY_USE))
def test_package_imports_only_what_lies_below_it(source: str) -> None:
    files = list((_ROOT / source).rglob("*.py"))
    own = {path.parent.name for path in (_ROOT / source).glob("*/__init__.py")}

    forbidden = {
        f"{path.relative_to(_ROOT)} imports {name}"
        for path in files
        for name in _imports(path)
        if name in _OURS - own - _MAY_USE[source]
    }

    assert files
    assert forbidden == set()


def test_device_packages_do_not_import_postgresql() -> None:
    device = [*(_ROOT / "services/edge_detector/src").rglob("*.py")]
    device += (_ROOT / "services/dispatcher/src").rglob("*.py")

    assert not [path for path in device if {"asyncpg", "sqlalchemy", "alembic"} & _imports(path)]
