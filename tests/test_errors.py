"""The tree of errors."""

from __future__ import annotations

import inspect

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
