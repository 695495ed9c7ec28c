"""Files are written whole or not at all."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest

from k1nb import paths
from k1nb.errors import StorageError


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    """When the disk refuses, the old content stays and no temporary file is left."""
    target = tmp_path / "file.json"
    paths.write_text(target, "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(StorageError, match=r"file\.json"):
            paths.write_bytes(target, b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.json"]


def test_a_home_below_a_regular_file_is_named(tmp_path: Path) -> None:
    """A folder that cannot be made is a storage error that names it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file/home"):
        paths.private(tmp_path / "file" / "home")
    with pytest.raises(StorageError, match="file/home"):
        paths.write_text(tmp_path / "file" / "home" / "x", "")


def test_what_is_written_is_private(tmp_path: Path) -> None:
    """Files and folders of ours are readable by their owner alone."""
    target = tmp_path / "a" / "b" / "c.txt"
    paths.write_text(target, "x")
    assert target.stat().st_mode & 0o777 == 0o600
    assert {folder.stat().st_mode & 0o777 for folder in (target.parent, target.parent.parent)} == {0o700}


def test_shared_folders_are_found() -> None:
    """Data, notebooks and runbooks are found from a checkout."""
    for kind in ("data", "notebooks", "runbooks"):
        assert paths.share(kind).is_dir()
    with pytest.raises(StorageError, match="no folder 'nothing'"):
        paths.share("nothing")


def test_socket_paths_stay_short(tmp_path: Path) -> None:
    """However deep the home, the folder for sockets leaves room below the limit of 104 characters."""
    deep = tmp_path / ("x" * 90) / ("y" * 90)
    assert len(str(paths.Paths(deep, deep, deep).runtime / "supervisor.sock")) < 104


def test_a_home_in_no_encoding_has_its_folder_for_sockets(tmp_path: Path) -> None:
    """A name that is no UTF-8 is a name like any other to the system."""
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/h\xff"))
    assert paths.Paths(odd, tmp_path, tmp_path).runtime != paths.Paths(tmp_path, tmp_path, tmp_path).runtime
