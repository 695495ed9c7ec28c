"""Redaction of nested data."""

from __future__ import annotations

import base64
import gzip
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.records._redaction import leaks, leaky, scrub
from k1nb.secrets import Redactor

SECRET = 'swordfish<&"7>'
REDACT = Redactor([SECRET, "31415926"])
SPLIT = (SECRET[:5], SECRET[5:9], SECRET[9:])
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


def outputs(*outputs: Any) -> Any:
    """Return a notebook with a code cell for each of these outputs."""
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=[each]) for each in outputs])


def streams(*texts: tuple[str, str]) -> Any:
    """Return a notebook of stream outputs, given as name and text."""
    return outputs(*(nbformat.v4.new_output("stream", name=name, text=text) for name, text in texts))


def said(notebook: Any, name: str) -> str:
    """Return what a notebook's cells wrote to one stream."""
    every = [output for cell in notebook["cells"] for output in cell["outputs"]]
    return "".join(output["text"] for output in every if output.get("name") == name)


def test_a_secret_that_goes_on_in_the_next_output_is_masked() -> None:
    """In one stream, between what the other one says, from stream to stream and from cell to cell."""
    one, two, three = SPLIT
    clean = scrub(streams(("stdout", f"a {one}"), ("stderr", "b"), ("stdout", two), ("stdout", f"{three} c")), REDACT)
    assert (said(clean, "stdout"), said(clean, "stderr")) == ("a [redacted] c", "b")
    clean = scrub(streams(("stdout", f"a {one}{two}"), ("stderr", f"{three} b")), REDACT)
    assert (said(clean, "stdout"), said(clean, "stderr")) == ("a [redacted]", " b")
    shown = nbformat.v4.new_output("display_data", {"text/plain": f"{three} c"})
    printed = nbformat.v4.new_output("stream", name="stdout", text=f"a {one}{two}")
    clean = scrub(outputs(printed, shown), REDACT)
    assert clean["cells"][1]["outputs"][0]["data"]["text/plain"] == " c"


def test_a_secret_that_goes_on_from_a_name_to_its_value_is_masked() -> None:
    """As JSON shows a dict, name, value and next name follow each other; what keeps a notebook together stays."""
    one, two = SECRET[:5], SECRET[5:]
    assert scrub({one: two, "a": [{f"x {one}": f"{two} y"}]}, REDACT) == {
        "[redacted]": "",
        "a": [{"x [redacted]": " y"}],
    }
    assert scrub({"a": one, two: 1, "b": {one: two, SECRET: 2}}, REDACT) == {
        "a": "[redacted]",
        "": 1,
        "b": {"[redacted]": "", "[redacted] 2": 2},
    }
    for data in ({one: two}, {"a": one, two: 1}):
        assert leaky("a.json", json.dumps(data).encode(), REDACT)
        assert not leaky("a.json", json.dumps(scrub(data, REDACT), indent=1).encode(), REDACT)


@pytest.mark.parametrize("open_end", ["\x1b]0;", "\x1b[", "\x1b", "\x90", "\\u001b]"])
def test_a_sequence_that_does_not_end_hides_no_other_text(open_end: str) -> None:
    """Texts that do not follow each other are looked at for themselves, whatever an earlier one has begun."""
    hidden = f"{SECRET[:5]}\x1b]8;;http://h/\x07{SECRET[5:]}"
    assert scrub([[f"a {open_end}"], [hidden], ["b"]], REDACT) == [[f"a {open_end}"], ["[redacted]"], ["b"]]
    assert scrub([[SECRET[:5]], [SECRET[5:]]], REDACT) == [[SECRET[:5]], [SECRET[5:]]]


def test_a_text_given_as_lines_is_masked_across_them() -> None:
    """A list of lines, as files of notebooks have them, is one text; its length stays."""
    lines = ["a\n", *SPLIT, "\n", "b"]
    assert scrub({"text": lines}, REDACT) == {"text": ["a\n", "[redacted]", "", "", "\n", "b"]}


@pytest.mark.parametrize(
    "kind", ["image/png", "image/jpeg", "application/pdf", "audio/wav", "application/octet-stream"]
)
@pytest.mark.parametrize("packed", [False, True])
def test_binary_data_with_a_secret_is_left_out(kind: str, packed: bool) -> None:
    """Pictures and the like that hold a secret, compressed too, are left out and named; others stay as they are."""
    fine = base64.b64encode(b"\x89PNG\r\n" + bytes(range(256))).decode()
    data = b"\x89PNG\r\n" + (gzip.compress(SECRET.encode()) if packed else SECRET.encode()) + b"\0\0"
    display = nbformat.v4.new_output("display_data", {kind: base64.b64encode(data).decode(), "text/plain": "it"})
    other = nbformat.v4.new_output("display_data", {kind: fine})
    clean = nbformat.from_dict(scrub(outputs(display, other), REDACT))
    nbformat.validate(clean)
    assert clean.cells[0].outputs[0].data == {"text/plain": f"it\n[redacted]: {kind} held a secret"}
    assert clean.cells[1].outputs[0].data == {kind: fine}


def test_a_picture_within_a_text_is_looked_into() -> None:
    """Data in the address of a picture in HTML is unpacked, and masked alone."""
    picture = base64.b64encode(b"\x89PNG" + gzip.compress(SECRET.encode())).decode()
    html = '<img src="data:image/png;base64,{}"> seen'
    assert scrub({"text/html": html.format(picture)}, REDACT) == {"text/html": html.format("[redacted]")}
    fine = html.format(base64.b64encode(b"\x89PNG").decode())
    assert scrub({"text/html": fine}, REDACT) == {"text/html": fine}


def test_what_is_masked_stays_a_valid_notebook() -> None:
    """Ids, tags, kernels and names that held a secret become valid ones, and no two things become one."""
    secret = "c0rrect-horse"
    tags = [f"{secret}", f"{secret} ", "parameters"]
    cells = [nbformat.v4.new_code_cell("", id=f"{secret}-{n}", metadata={"tags": tags}) for n in range(2)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": {"name": secret, "display_name": secret}})
    notebook.metadata[f"a {secret}"], notebook.metadata[f"a {secret.upper()}"] = 1, 2
    clean = nbformat.from_dict(scrub(notebook, Redactor([secret, secret.upper()])))
    nbformat.validate(clean)
    assert [cell.id for cell in clean.cells] == ["redacted-0", "redacted-1"]
    assert clean.cells[0].metadata.tags == ["[redacted]", "[redacted] ", "parameters"]
    assert clean.metadata.kernelspec.name == "[redacted]"
    assert (clean.metadata["a [redacted]"], clean.metadata["a [redacted] 2"]) == (1, 2)


@given(JSON, st.lists(st.sampled_from(["stdout", "stderr"]), min_size=1, max_size=5), st.data())
def test_masking_twice_is_masking_once(data: Any, names: list[str], draw: st.DataObject) -> None:
    """What is masked holds no secret by the same look, however it is nested and split."""
    text = f"a {SECRET} b {SECRET}"
    cuts = [0, *sorted(draw.draw(st.lists(st.integers(0, len(text)), max_size=4))), len(text)]
    pieces = [text[a:b] for a, b in pairwise(cuts)]
    notebook = streams(*((names[n % len(names)], piece) for n, piece in enumerate(pieces)))
    notebook.metadata["any"] = data
    clean = scrub(notebook, REDACT)
    assert scrub(clean, REDACT) == clean
    assert not leaky("notebook.ipynb", json.dumps(clean).encode(), REDACT)


@given(JSON.map(lambda data: json.loads(json.dumps(data).replace(json.dumps(SECRET)[1:-1], ""))))
def test_what_holds_no_secret_stays_as_it_is(data: Any) -> None:
    """Data without a secret is copied, and nothing in it changes."""
    assert scrub(data, REDACT) == data


def test_leaks_are_found_in_every_file(tmp_path: Path) -> None:
    """A secret in text, in JSON split over lines, compressed, or in a file's name; other files are not named."""
    (tmp_path / "a.txt").write_text(f"x {SECRET}")
    (tmp_path / "b.ipynb").write_text(json.dumps(streams(*(("stdout", part) for part in SPLIT))))
    (tmp_path / "c.gz").write_bytes(gzip.compress(SECRET.encode()))
    (tmp_path / "d-31415926").write_text("")
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "f.json").write_text(json.dumps({"p": json.dumps([SECRET])}))
    (tmp_path / "g.txt").write_text("[redacted] and swordfish")
    assert [file.name for file in leaks(tmp_path, REDACT)] == ["a.txt", "b.ipynb", "c.gz", "d-31415926", "f.json"]
