"""A turn at a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from k1nb.errors import StorageError
from k1nb.records._turn import turn_at


def test_one_at_a_time_has_a_folder_also_after_it_was_moved(tmp_path: Path) -> None:
    """A held folder is refused to a second one when the time is over, wherever it lies by then; later it is free."""
    folder = tmp_path / "a"
    folder.mkdir()
    with turn_at(folder, 1):
        moved = folder.rename(tmp_path / "b")
        with pytest.raises(StorageError, match="held by another"), turn_at(moved, 0.02):
            pass
    with turn_at(moved, 0):
        assert list(moved.iterdir()) == []
    with pytest.raises(StorageError), turn_at(folder, 0):
        pass
