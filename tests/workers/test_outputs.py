"""Large outputs in files of the home, and the references to them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.errors import TerminalFailure
from k1nb.paths import Paths
from k1nb.workers._outputs import KEPT_FOR, OUTPUT_LIMIT, Outputs, prune

LARGE = "x" * OUTPUT_LIMIT


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Return the folders of a fresh home."""
    return Paths(tmp_path / "home", tmp_path, tmp_path)


@given(st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.integers())))
def test_what_fits_stays_as_it_is(output: dict[str, Any]) -> None:
    """An output within the limit is handed on unchanged, and no file is made."""
    assert Outputs(Paths(Path("/nowhere"), Path("/nowhere"), Path("/nowhere"))).fit("id1", output) == output


def test_only_the_largest_values_move_and_come_back(paths: Paths) -> None:
    """Small values stay wired; the large one is replaced by a reference that an input resolves."""
    outputs = Outputs(paths)
    fitting = outputs.fit("id1", {"size": 1, "log": LARGE, "tail": "end"})
    assert (fitting["size"], fitting["tail"], [*fitting["log"]]) == (1, "end", ["k1nb_file", "bytes", "sha256"])
    assert outputs.resolve(fitting) == {"size": 1, "log": LARGE, "tail": "end"}


def test_many_small_values_are_refused(paths: Paths) -> None:
    """What is large by its number of values gets no file for each, but an error that says what to do."""
    with pytest.raises(TerminalFailure, match=r"in small values, more than the 3,072 KB"):
        Outputs(paths).fit("id1", {str(number): "x" * 1000 for number in range(4000)})
    assert not paths.outputs.exists()


@pytest.mark.parametrize("place", ["/etc/passwd", "{outputs}/../k1nb.toml", "{outputs}/none.json"])
def test_a_reference_to_something_else_is_refused(paths: Paths, place: str) -> None:
    """A reference reads nothing but this home's outputs, and a missing file is said."""
    reference = {"k1nb_file": place.format(outputs=paths.outputs), "bytes": 1, "sha256": "0"}
    with pytest.raises(TerminalFailure, match="the input log refers to"):
        Outputs(paths).resolve({"log": reference})


def test_a_file_that_was_changed_is_refused(paths: Paths) -> None:
    """What a file holds must be what its reference says."""
    fitting = Outputs(paths).fit("id1", {"log": LARGE})
    Path(fitting["log"]["k1nb_file"]).write_text(json.dumps("other"))
    with pytest.raises(TerminalFailure, match="sha256"):
        Outputs(paths).resolve(fitting)


def test_names_from_outside_stay_in_the_folder(paths: Paths) -> None:
    """Keys that look like paths name files in the folder all the same, each its own."""
    fitting = Outputs(paths).fit("../id1", {"../log": LARGE, "./.log": LARGE})
    files = [Path(value["k1nb_file"]) for value in fitting.values()]
    assert ({file.parent for file in files}, len({*files})) == ({paths.outputs}, 2)


def test_old_files_are_removed(paths: Paths) -> None:
    """Files older than three months go, younger ones stay."""
    paths.outputs.mkdir(parents=True)
    paths.effects.mkdir()
    old, young = paths.outputs / "old.json", paths.effects / "young.json"
    for file in (old, young):
        file.touch()
    moment = old.stat().st_mtime - KEPT_FOR - 60
    os.utime(old, (moment, moment))
    assert (prune(paths), old.exists(), young.exists()) == (1, False, True)
