"""The room's public names."""

from __future__ import annotations

import subprocess
import sys

import pytest

from k1nb import records


def test_public_names() -> None:
    """Every name that the room promises is there, once."""
    assert len(set(records.__all__)) == len(records.__all__)
    assert all(hasattr(records, name) for name in records.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """The room's lazy loading knows no other name."""
    with pytest.raises(AttributeError):
        _ = records.__getattr__("nothing")


@pytest.mark.parametrize("first", ["from k1nb.records import Engine", "import papermill"])
def test_the_engine_and_papermill_load_in_either_order(first: str) -> None:
    """papermill loads our engine while it is being imported; that works from both sides."""
    check = "import papermill.engines as e; assert e.papermill_engines.get_engine('k1nb').__name__ == 'Engine'"
    subprocess.run([sys.executable, "-c", f"{first}; {check}"], check=True)


def test_importing_the_room_loads_nothing_heavy() -> None:
    """Neither papermill nor nbformat, matplotlib or pandas is loaded with the room."""
    heavy = "{'papermill', 'nbformat', 'matplotlib', 'pandas', 'IPython'}"
    subprocess.run(
        [sys.executable, "-c", f"import sys, k1nb.records; assert not {heavy} & set(sys.modules)"], check=True
    )
