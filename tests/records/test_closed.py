"""Archives of which a part cannot be read, or that belong to somebody else: what is legible is shown."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from k1nb.config import Settings
from k1nb.errors import StorageError
from k1nb.records import Index, Wanted, known_keys, listed, read_head, search, verify, write_pages
from k1nb.records._staging import Staging
from tests.records.samples import heap, ids, notebook, sealed, shown

_EACH = """
import contextlib, io, json, sys
from k1nb.cli import main
told = {}
for words in json.loads(sys.argv[1]):
    sys.argv[1:], said = ["records", *words], io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main()
        except SystemExit as end:
            told[words[0]] = [end.code or 0, said.getvalue()]
print(json.dumps(told))
"""
_DROP = 24
"""PR_CAPBSET_DROP; source: prctl(2)."""
_PAST_MODES = (1, 2)
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: root without them is held by modes as its owner; capabilities(7)."""


def _held_by_modes() -> None:
    for capability in _PAST_MODES if os.geteuid() == 0 else ():
        ctypes.CDLL(None).prctl(_DROP, capability, 0, 0, 0)


def told(settings: Settings, *commands: tuple[str, ...]) -> dict[str, tuple[int, str]]:
    """Run commands on records as one whom modes hold; return exit code and output of each, by its first word."""
    done = subprocess.run(
        [sys.executable, "-c", _EACH, json.dumps(commands)],
        env={**os.environ, "K1NB_HOME": str(settings.home), "NO_COLOR": "1"},
        preexec_fn=_held_by_modes,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {word: (code, said) for word, (code, said) in json.loads(done.stdout).items()}


def test_what_is_closed_is_named_and_the_rest_is_shown(settings: Settings, tmp_path: Path) -> None:
    """A record, staging or all records that may not be read: every look ends with 1, names it, and shows the rest."""
    closed, kept = sealed(settings, heap(), days=1), sealed(settings, heap())
    staging, records = settings.paths.staging, settings.paths.records
    staged = staging / "20261120-000000-tiny-0a1b2c"
    staged.mkdir(parents=True)
    page = str(tmp_path / "page.html")
    every = (("verify",), ("list",), ("search",), ("page",), ("show", closed.id), ("export", closed.id, "-o", page))
    codes = {closed.id: (1, 0), staged.name: (0, 0), ".staging": (0, 0), "records": (2, 2)}
    places = (closed.folder, closed.id), (staged, staged.name), (staging, ".staging"), (records, "records")
    for place, name in places:
        place.chmod(0)
        try:
            found = told(settings, *every)
        finally:
            place.chmod(0o700)
        assert list(found) == [words[0] for words in every]
        for word in ("verify", "list", "search", "page"):
            code, said = found[word]
            assert (code, f"{name}" in said, "cannot be read" in said) == (1, True, True), (place, word, said)
        for word in ("list", "search"):
            assert (kept.id in found[word][1]) is (place is not records)
            assert "no records yet" not in found[word][1]
        assert (found["show"][0], found["export"][0]) == codes[name]
    assert verify(settings.paths).passes
    assert listed(settings, Wanted(), limit=9)[0][2].checks == closed.checks  # seen again once it is open again


@pytest.mark.parametrize("end", ["head", "pub"])
def test_a_folder_in_the_place_of_a_file_is_named(settings: Settings, end: str) -> None:
    """A head or key that is a folder is a problem of its file with the reason, and what is sealed is found."""
    record = sealed(settings, heap())
    (file,) = settings.paths.records.glob(f"*.{end}")
    file.unlink()
    file.mkdir()
    problems = {problem.file: problem.what for problem in verify(settings.paths).problems}
    assert problems[file.name] == "it cannot be read: Is a directory"
    assert ids(search(settings, Wanted()).hits) == [record.id]
    assert write_pages(settings).is_file()


@pytest.mark.parametrize("whose", ["another's", "read-only"])
def test_what_is_not_ours_to_write_is_looked_through(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, whose: str
) -> None:
    """An archive of another user, or one that may only be read, is listed and searched, and nothing is written there.

    Its head is exported as it lies there, although the secret key is not ours to read.
    """
    record = sealed(settings, heap(), executed=notebook(shown(plain="brownout")))
    (settings.paths.keys / "records.key").chmod(0)
    before = tree(settings.home)
    if whose == "another's":
        monkeypatch.setattr(os, "getuid", lambda: settings.home.stat().st_uid + 1)
        assert listed(settings, Wanted(), limit=9)[0][0].as_sealed
        assert ids(search(settings, Wanted("brownout")).hits) == [record.id]
        for change in (Index(settings).rebuild, lambda: Staging(settings).begin("a")):
            with pytest.raises(StorageError, match="belongs to another user") as caught:
                change()
            assert "remove" not in str(caught.value)
    else:
        settings.paths.records.chmod(0o500)
        out = tmp_path / "head.json"
        found = told(settings, ("list",), ("search", "brownout"), ("export", "--head", str(out)))
        settings.paths.records.chmod(0o700)
        assert {code for code, _ in found.values()} == {0}, found
        assert record.id in found["list"][1]
        assert record.id in found["search"][1]
        assert read_head(out, known_keys(settings.paths)).head.run == record.id
    assert tree(settings.home) == before


def tree(folder: Path) -> dict[str, int]:
    """Return what is in a folder, and when it changed."""
    return {str(file): file.stat().st_mtime_ns for file in folder.rglob("*")}


def test_a_look_where_nothing_is_makes_nothing(settings: Settings) -> None:
    """A list and a search in a home without records, as one that was mistyped, leave it as it was."""
    before = tree(settings.home)
    assert (listed(settings, Wanted(), limit=9), ids(search(settings, Wanted()).hits)) == (([], False), [])
    assert tree(settings.home) == before
