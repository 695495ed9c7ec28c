"""The tree of errors."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

from k1nb import errors


def test_the_drawn_tree_is_the_real_one() -> None:
    """Every error class stands in the docstring below its real parent."""
    drawn = []
    stack: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        name = line.strip(" │├└─").split(" ")[0]
        if not hasattr(errors, name) or not name:
            continue
        depth = line.index(name)
        stack = [entry for entry in stack if entry[0] < depth]
        drawn.append((name, stack[-1][1] if stack else "Exception"))
        stack.append((depth, name))
    real = [
        (name, kind.__bases__[0].__name__)
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, Exception)
    ]
    assert sorted(drawn) == sorted(real)


def test_an_error_prints_its_hint_on_a_line_of_its_own() -> None:
    """Message and hint are what an operator reads."""
    assert str(errors.PortTaken("port 1 is taken", hint="free it")) == "port 1 is taken\nhint: free it"
    assert str(errors.PortTaken("port 1 is taken")) == "port 1 is taken"


def _without_hint(source: str) -> Iterator[int]:
    """Yield the lines on which an error of ours is made without a hint; a task's failure has its task to explain it."""
    made = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.K1Error)}
    wanted = made - {"TaskFailure", "TerminalFailure", "RetryableFailure"}
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or getattr(node.func, "id", "") not in wanted:
            continue
        if not any(keyword.arg in ("hint", None) for keyword in node.keywords):
            yield node.lineno


def test_every_error_has_a_hint() -> None:
    """Wherever the package makes an error of its own, it says what to do next."""
    package = Path(errors.__file__).parent
    bare = [f"{f}:{line}" for f in package.rglob("*.py") for line in _without_hint(f.read_text(encoding="utf-8"))]
    assert bare == []
    assert list(_without_hint("raise StorageError('it is full')")) == [1]
