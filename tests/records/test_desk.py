"""The copies that people open."""

from __future__ import annotations

import json

from k1nb.config import Settings
from k1nb.paths import share
from k1nb.records import lay_out, shipped


def test_every_notebook_and_runbook_is_laid_out(settings: Settings) -> None:
    """The desk holds a copy of each shipped notebook and runbook, for its owner alone."""
    desk = lay_out(settings.paths)
    assert desk.folder == settings.home / "lab"
    assert sorted(desk.fresh) == sorted(shipped())
    for name, file in shipped().items():
        assert (desk.folder / f"{name}.ipynb").read_text() == file.read_text()
    assert {f.name for f in (desk.folder / "runbooks").iterdir()} == {f.name for f in share("runbooks").glob("*.md")}
    assert desk.folder.stat().st_mode & 0o077 == 0


def test_a_copy_that_was_changed_stays(settings: Settings) -> None:
    """For as long as the shipped notebook is the same, what somebody saved is left alone."""
    own = lay_out(settings.paths).folder / "daily_health.ipynb"
    own.write_text("changed")
    again = lay_out(settings.paths)
    assert (again.fresh, again.kept) == ([], [])
    assert own.read_text() == "changed"


def test_a_newer_notebook_takes_the_place_of_an_unchanged_copy(settings: Settings) -> None:
    """A copy nobody has touched is replaced without a word when the shipped notebook has changed."""
    desk = lay_out(settings.paths)
    own, index = desk.folder / "daily_health.ipynb", desk.folder / ".shipped.json"
    own.write_text("an earlier version")
    import hashlib

    known = json.loads(index.read_text())
    index.write_text(json.dumps(known | {"daily_health": hashlib.sha256(b"an earlier version").hexdigest()}))
    again = lay_out(settings.paths)
    assert (again.fresh, again.kept) == (["daily_health"], [])
    assert own.read_text() == shipped()["daily_health"].read_text()


def test_a_newer_notebook_puts_a_changed_copy_aside(settings: Settings) -> None:
    """Nothing that somebody saved is lost: it gets another name, and that is told."""
    desk = lay_out(settings.paths)
    own, index = desk.folder / "daily_health.ipynb", desk.folder / ".shipped.json"
    own.write_text("mine")
    index.write_text("{}")
    again = lay_out(settings.paths)
    (kept,) = again.kept
    assert kept.read_text() == "mine"
    assert kept.name.startswith("daily_health.until-")
    assert own.read_text() == shipped()["daily_health"].read_text()


def test_notes_in_a_runbook_are_kept(settings: Settings) -> None:
    """A copy of a runbook that somebody wrote into stays, and so does one in no known encoding."""
    folder = lay_out(settings.paths).folder
    noted, odd = folder / "runbooks" / "daily_health.md", folder / "daily_health.ipynb"
    noted.write_text(noted.read_text(encoding="utf-8") + "our own note\n", encoding="utf-8")
    odd.write_bytes(b"\xff\xfe")
    (folder / ".shipped.json").write_text("{}")  # as if newer ones had been shipped
    desk = lay_out(settings.paths)
    kept = {file.suffix: file.read_bytes() for file in desk.kept}
    assert kept[".md"].endswith(b"our own note\n")
    assert b"\xff\xfe" in kept.values()
