"""Redaction of nested data."""

from __future__ import annotations

import base64
import json

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.records._redaction import scrub
from k1nb.secrets import Redactor

SECRET = 'swordfish<&"7>'
REDACT = Redactor([SECRET, "31415926"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(f"x{SECRET}y"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


@given(JSON)
def test_no_nesting_hides_a_secret(data: object) -> None:
    """However deep a secret lies, it is not in what is kept, and the shape stays."""
    clean = json.dumps(scrub(data, REDACT), ensure_ascii=False)
    assert SECRET not in clean
    assert json.dumps(SECRET)[1:-1] not in clean


def test_names_and_numbers_are_looked_at() -> None:
    """A secret is masked as a name, inside a name, and as a number."""
    assert scrub({SECRET: 31415926, "n": 2}, REDACT) == {"[redacted]": "[redacted]", "n": 2}


@pytest.mark.parametrize(
    "spelt",
    [SECRET, json.dumps(SECRET)[1:-1], "swordfish&lt;&amp;&quot;7&gt;", base64.b64encode(SECRET.encode()).decode()],
)
def test_the_usual_spellings_in_outputs_are_masked(spelt: str) -> None:
    """Text, JSON, HTML and base64 of a secret are masked in a notebook's outputs, which stays a notebook."""
    output = nbformat.v4.new_output(
        "display_data", {"text/html": f"<b>{spelt}</b>", "application/json": {"a": [spelt]}}
    )
    cell = nbformat.v4.new_code_cell(f"x = '{spelt}'", outputs=[output])
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"papermill": {"parameters": {"p": spelt}}})
    clean = nbformat.from_dict(scrub(notebook, REDACT))
    nbformat.validate(clean)
    assert REDACT.found(nbformat.writes(clean)) == 0
    assert nbformat.writes(clean).count("[redacted]") >= 4


def test_structure_is_left_alone() -> None:
    """What readers find their way by is not touched, even where a secret is such a word."""
    cell = nbformat.v4.new_code_cell("code", id="code")
    clean = scrub(nbformat.v4.new_notebook(cells=[cell]), Redactor(["code", "cells"]))
    assert clean["cells"][0]["cell_type"] == "code"
    assert clean["cells"][0]["source"] == "[redacted]"
