"""Notebooks as files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from k1nb.errors import RecordError, StorageError, UnknownName
from k1nb.records._notebook import canonical, find_notebook, read_notebook, read_template, shipped, tagged
from tests.records.conftest import WriteNotebook


def test_shipped_notebooks_are_found_by_name() -> None:
    """A shipped notebook is found by its name, with or without its suffix."""
    assert find_notebook("daily_health") == find_notebook("daily_health.ipynb") == shipped()["daily_health"]


def test_an_own_notebook_is_found_by_its_path(write_notebook: WriteNotebook) -> None:
    """The path of a notebook of the operator's own is taken as well."""
    file = write_notebook(name="mine")
    assert find_notebook(str(file)) == file


@pytest.mark.parametrize("name", ["no_such", "", "/nowhere/x.ipynb", "../notebooks", "daily_health.txt"])
def test_an_unknown_notebook_lists_the_known(name: str) -> None:
    """A name that is no notebook is refused with the shipped ones."""
    with pytest.raises(UnknownName) as error:
        find_notebook(name)
    assert "daily_health" in str(error.value.hint)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"{}", b'{"cells": 3, "nbformat": 4}', b"\xff\xfe", b'{"cells": [{"a": 1}]}']
)
def test_any_other_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that is no notebook is refused in words, never with a traceback of ours."""
    file = tmp_path / "x.ipynb"
    file.write_bytes(content)
    for read in (read_notebook, read_template):
        with pytest.raises(RecordError, match="no Jupyter notebook"):
            read(file)


def test_a_file_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    """A missing file is named."""
    with pytest.raises(StorageError, match="gone"):
        read_notebook(tmp_path / "gone.ipynb")


def test_a_template_is_read_without_nbformat_and_the_same(write_notebook: WriteNotebook) -> None:
    """What is read quickly is what nbformat reads."""
    file = write_notebook()
    assert tagged(read_template(file), "parameters") == tagged(read_notebook(file), "parameters")
    assert tagged(read_template(file), "no-such-tag") is None


def test_the_canonical_text_is_stable(write_notebook: WriteNotebook) -> None:
    """The canonical text ends with one newline, is sorted, and reads back to the same text."""
    file = write_notebook()
    text = canonical(read_notebook(file))
    file.write_text(text, encoding="utf-8")
    assert canonical(read_notebook(file)) == text
    assert text.endswith("}\n")
    assert list(json.loads(text)) == sorted(json.loads(text))


@pytest.mark.parametrize("changes", [{"metadata": None}, {"metadata": ...}, {"nbformat": ...}, {"nbformat": "4"}])
def test_what_papermill_would_break_on_is_no_notebook(tmp_path: Path, changes: dict[str, object]) -> None:
    """A file without metadata or format is refused before anything is started, in one line."""
    whole: dict[str, object] = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    file = tmp_path / "odd.ipynb"
    file.write_text(json.dumps({k: v for k, v in (whole | changes).items() if v is not ...}), encoding="utf-8")
    with pytest.raises(RecordError, match="is no Jupyter notebook"):
        read_template(file)
