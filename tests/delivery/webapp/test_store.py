"""Stored web apps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.config import Settings
from k1nb.delivery.webapp import WebAppStore
from k1nb.delivery.webapp._store import _archive, _files
from k1nb.errors import ArtifactError, BuildError, UnknownName
from tests.delivery.webapp.builders import a_build, a_webapp


def test_the_same_files_are_the_same_web_app(settings: Settings, tmp_path: Path) -> None:
    """What was built elsewhere and later, with other times and modes, is the web app that is there."""
    first = a_webapp(settings)
    built = a_build(tmp_path / "again")
    os.utime(built / "index.html", (1, 1))
    (built / "style.css").chmod(0o600)
    again = WebAppStore(settings.paths).put(built, version="b" * 40, repo="other", branch="x")
    assert again == first
    assert WebAppStore(settings.paths).list() == [first]


def test_it_comes_out_as_it_went_in(settings: Settings, tmp_path: Path) -> None:
    """Every file is unpacked with its bytes, and found by a prefix of its id."""
    stored = a_webapp(settings)
    store = WebAppStore(settings.paths)
    store.unpack(store.get(stored.id[:12]), tmp_path / "out")
    assert (tmp_path / "out" / "parts" / "deep.txt").read_text() == "hello"
    assert {p.name for p in (tmp_path / "out").rglob("*") if p.is_file()} == {"index.html", "style.css", "deep.txt"}
    assert stored.files == 3


def test_what_is_damaged_is_not_handed_out(settings: Settings) -> None:
    """Other bytes under the same name are an error; storing it again mends it."""
    stored = a_webapp(settings)
    stored.path.write_bytes(stored.path.read_bytes() + b"x")
    store = WebAppStore(settings.paths)
    with pytest.raises(ArtifactError, match="another sha256"):
        store.get(stored.id)
    assert a_webapp(settings).id == stored.id
    assert store.get(stored.id).id == stored.id


@pytest.mark.parametrize("name", ["", "zz", "../../x", "0" * 64, "null"])
def test_what_is_not_there_is_said(settings: Settings, name: str) -> None:
    """Whatever names no web app is unknown, and no path."""
    a_webapp(settings)
    with pytest.raises(UnknownName):
        WebAppStore(settings.paths).get(name)


def test_a_build_without_a_page_is_none(settings: Settings, tmp_path: Path) -> None:
    """A folder without index.html, and one with a link in it, are refused for good."""
    store = WebAppStore(settings.paths)
    with pytest.raises(BuildError, match=r"no index\.html") as caught:
        store.put(tmp_path, version="a" * 40, repo="r", branch="main")
    assert caught.value.final
    built = a_build(tmp_path / "built")
    (built / "secret").symlink_to("/etc/hostname")
    with pytest.raises(BuildError, match="secret"):
        store.put(built, version="a" * 40, repo="r", branch="main")
    assert store.list() == []


@given(files=st.dictionaries(st.from_regex(r"[a-z]{1,4}", fullmatch=True), st.binary(max_size=20), max_size=5))
def test_an_archive_depends_on_names_and_bytes_alone(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    """Written in another order, into another folder, the same files give the same bytes, and others give others."""
    archives = []
    for names in (list(files), list(files)[::-1]):
        folder = tmp_path_factory.mktemp("web")
        (folder / "index.html").touch()
        for name in names:
            (folder / name).write_bytes(files[name])
        archives.append(_archive(folder, _files(folder)))
    assert archives[0] == archives[1]
    (folder / "index.html").write_text("x")
    assert _archive(folder, _files(folder)) != archives[0]
