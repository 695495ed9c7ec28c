"""What lies in a run's folder becomes what a manifest takes, whatever a cell has made there."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.records._record import files_in, is_file_name
from k1nb.records._tidy import tidy


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("heap over time.png", "heap_over_time.png"),
        ("Wärme.csv", "W_rme.csv"),
        ("-rf", "_-rf"),
        ("plots/one.png", "plots__one.png"),
        ("plots/.ipynb_checkpoints/x", "plots__.ipynb_checkpoints__x"),
        ("notebook.ipynb/x", "notebook.ipynb__x"),
        ("n" * 101, "n" * 90),
        ("fine.txt", "fine.txt"),
    ],
)
def test_files_get_names_that_a_manifest_takes(tmp_path: Path, name: str, kept: str) -> None:
    """Blanks, letters of other languages, folders and long names are no reason to lose a file."""
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("seen")
    assert tidy(tmp_path) == []
    assert {file.name: file.read_text() for file in files_in(tmp_path)} == {kept: "seen"}


def test_two_that_would_have_one_name_are_kept(tmp_path: Path) -> None:
    """Neither takes the other's place."""
    for text in ("a b", "a_b", "a\tb"):
        (tmp_path / text).write_text(text)
    tidy(tmp_path)
    assert sorted(file.read_text() for file in files_in(tmp_path)) == ["a\tb", "a b", "a_b"]


def test_what_is_no_plain_file_is_named_and_not_opened(tmp_path: Path) -> None:
    """A pipe would be waited at for ever, and what a link names was never in the record."""
    secret = tmp_path / "elsewhere"
    secret.write_text("not ours")
    folder = tmp_path / "run"
    (folder / "deep").mkdir(parents=True)
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to(secret)
    (folder / "dangling").symlink_to("nowhere")
    (folder / "deep" / "tree").symlink_to(tmp_path)
    (folder / "deep" / "more").mkdir()
    assert sorted(tidy(folder)) == ["dangling", "deep__tree", "link", "pipe"]
    assert list(folder.iterdir()) == []
    assert secret.read_text() == "not ours"


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(st.lists(st.lists(NAMES.filter(lambda name: name not in (".", "..")), min_size=1, max_size=3), max_size=5))
def test_nothing_is_lost_whatever_it_is_called(paths: list[list[str]]) -> None:
    """Every file that is not hidden is there afterwards, with its content and a name that a manifest takes."""
    with TemporaryDirectory() as parent:
        folder, made = Path(parent), set()
        for number, parts in enumerate(paths):
            file = folder.joinpath(*parts)
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(str(number))
            except OSError:  # one that is there has this name, or it is too long
                continue
            made.add(file)
        wanted = sorted(f.read_text() for f in made if not f.relative_to(folder).parts[0].startswith("."))
        assert tidy(folder) == []
        kept = [file for file in folder.iterdir() if not file.name.startswith(".")]
        assert sorted(file.read_text() for file in kept) == wanted
        assert all(is_file_name(file.name) for file in kept)
