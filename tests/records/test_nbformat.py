"""nbformat is imported quickly, and as it is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from k1nb.records._nbformat import nbformat

LOOK = """
import sys
from k1nb.records._nbformat import nbformat
nbformat()
print("lark" in sys.modules)
import rfc3987_syntax
print(rfc3987_syntax.is_valid_syntax("iri", "http://example.org/"))
"""


def test_no_grammars_are_built_for_it() -> None:
    """The checkers of formats are not imported with it, and can be afterwards."""
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_what_is_no_notebook_is_refused() -> None:
    """It validates as ever."""
    notebook = nbformat().v4.new_notebook()
    nbformat().validate(notebook)
    notebook.cells = [nbformat().from_dict({"id": "a", "cell_type": "code", "source": 1, "metadata": {}})]
    with pytest.raises(nbformat().ValidationError):
        nbformat().validate(notebook)
