"""Facts about the artifact store."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k1nb.errors import ArtifactError, ImageError, StorageError, UnknownName
from k1nb.firmware import Artifact, ArtifactStore
from k1nb.paths import Paths
from tests.firmware.packing import descriptor, pack

FACTS: dict[str, Any] = {"version": "c" * 40, "environment": "env", "repo": "repo", "branch": "main"}

PUTTER = """
import sys
from pathlib import Path
from k1nb.firmware import ArtifactStore
from k1nb.paths import Paths
home, image = Path(sys.argv[1]), Path(sys.argv[2])
for _ in range(10):
    ArtifactStore(Paths(home, home, home / "artifacts")).put(image, version="v", environment="e", repo="r", branch="b")
"""


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """An empty store in a folder of its own."""
    return ArtifactStore(Paths(tmp_path, tmp_path, tmp_path / "artifacts"))


def _image(folder: Path, version: str = "1.0") -> Path:
    image = folder / f"{version}.bin"
    image.write_bytes(pack(descriptor(version=version) + bytes(70_000)))
    return image


def _kept(store: ArtifactStore) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.folder.iterdir()}


def test_artifact_is_named_by_its_sum(store: ArtifactStore, tmp_path: Path) -> None:
    """An artifact's id is the sha256 of its bytes; image and facts lie side by side under it."""
    image = _image(tmp_path)
    artifact = store.put(image, **FACTS, stamp="k1-0123456789ab", flash_percent=66.7, ram_percent=50.0, warnings=0)
    assert artifact.id == hashlib.sha256(image.read_bytes()).hexdigest()
    assert artifact.md5 == hashlib.md5(image.read_bytes(), usedforsecurity=False).hexdigest()
    assert artifact.size == image.stat().st_size
    assert artifact.project_name == "k1-firmware"
    assert sorted(_kept(store)) == [f"{artifact.id}.bin", f"{artifact.id}.json"]
    assert store.read(artifact) == image.read_bytes()


def test_an_artifact_is_read_piece_by_piece(store: ArtifactStore, tmp_path: Path) -> None:
    """An opened artifact has the bytes that were put; one that is gone or was changed to another image is damaged."""
    artifact, other = store.put(_image(tmp_path), **FACTS), store.put(_image(tmp_path, "2.0"), **FACTS)
    with store.open(artifact) as image:
        assert image[:] == (tmp_path / "1.0.bin").read_bytes()
        assert image.facts.sha256 == artifact.id
    for harmed in (other.path.read_bytes(), b"x"):
        artifact.path.write_bytes(harmed)
        with pytest.raises(ArtifactError, match="damaged"):
            store.open(artifact)
    artifact.path.unlink()
    with pytest.raises(ArtifactError, match="cannot be read"):
        store.open(artifact)


def test_artifact_comes_back_as_it_went_in(store: ArtifactStore, tmp_path: Path) -> None:
    """What is read from the disk equals what was put, by full id and by prefix."""
    artifact = store.put(_image(tmp_path), **FACTS, stamp="k1-0123456789ab", flash_percent=66.7)
    assert store.get(artifact.id) == artifact
    assert store.get(artifact.id[:8]) == artifact
    assert store.list() == [artifact]


def test_same_bytes_are_the_same_artifact(store: ArtifactStore, tmp_path: Path) -> None:
    """Putting the same bytes again changes nothing, whatever facts come with them, but that they are the newest now."""
    first = store.put(_image(tmp_path), **FACTS)
    other = store.put(_image(tmp_path, "2.0"), **FACTS)
    again = store.put(_image(tmp_path), **{**FACTS, "version": "d" * 40})
    assert replace(again, stored_at=first.stored_at) == first
    assert store.list() == [again, other]
    assert len(_kept(store)) == 4


def test_list_is_newest_first(store: ArtifactStore, tmp_path: Path) -> None:
    """The list is ordered by the time of storing, not by name; one commit may have several artifacts."""
    put = [store.put(_image(tmp_path, version), **FACTS) for version in ("3", "1", "2")]
    assert store.list() == put[::-1]


def test_damaged_entry_hides_no_other(store: ArtifactStore, tmp_path: Path) -> None:
    """A list leaves out an entry whose facts cannot be read, and only that; `damaged` names it."""
    good, bad = (store.put(_image(tmp_path, version), **FACTS) for version in ("1", "2"))
    _scribble(bad)
    assert store.list() == [good]
    assert [bad.id[:12] in error.message for error in store.damaged()] == [True]


@pytest.mark.parametrize(("fact", "value"), [("md5", "0" * 32), ("size", 1), ("project_name", "another")])
def test_facts_that_are_not_the_images_are_found(store: ArtifactStore, tmp_path: Path, fact: str, value: Any) -> None:
    """What was written down of an image is held against the image itself."""
    artifact = store.put(_image(tmp_path), **FACTS)
    facts = store.folder / f"{artifact.id}.json"
    facts.write_text(json.dumps({**json.loads(facts.read_text()), fact: value}))
    (error,) = store.damaged()
    assert f"its facts say {fact} {value}" in error.message


def test_an_image_without_its_facts_is_found(store: ArtifactStore, tmp_path: Path) -> None:
    """An image whose facts were removed is damaged, though no list shows it."""
    artifact = store.put(_image(tmp_path), **FACTS)
    (store.folder / f"{artifact.id}.json").unlink()
    (error,) = store.damaged()
    assert artifact.id[:12] in error.message
    assert "missing" in error.message


def test_empty_store_lists_nothing(store: ArtifactStore) -> None:
    """A store that was never written to is empty, not an error."""
    assert store.list() == []
    assert list(store.damaged()) == []


@pytest.mark.parametrize("wanted", ["", "abc", "../../../etc/passwd", "0" * 65, "XYZ45678", "0" * 8, "0" * 64])
def test_unknown_ids_are_refused(store: ArtifactStore, tmp_path: Path, wanted: str) -> None:
    """What is no id, or fits nothing, raises UnknownName with a hint."""
    store.put(_image(tmp_path), **FACTS)
    with pytest.raises(UnknownName) as caught:
        store.get(wanted)
    assert caught.value.hint


def test_ambiguous_prefix_is_refused(store: ArtifactStore, tmp_path: Path) -> None:
    """A prefix that fits two artifacts names neither."""
    artifact = store.put(_image(tmp_path), **FACTS)
    twin = artifact.id[:-1] + ("0" if artifact.id[-1] != "0" else "1")
    (store.folder / f"{twin}.json").write_text("{}")
    with pytest.raises(UnknownName, match="fits 2 artifacts"):
        store.get(artifact.id[:12])


def _cut(artifact: Artifact) -> None:
    artifact.path.write_bytes(artifact.path.read_bytes()[:-1])


def _flip(artifact: Artifact) -> None:
    data = bytearray(artifact.path.read_bytes())
    data[40_000] ^= 1
    artifact.path.write_bytes(data)


def _unlink(artifact: Artifact) -> None:
    artifact.path.unlink()


def _scribble(artifact: Artifact) -> None:
    artifact.path.with_suffix(".json").write_text("[]")


def _swap(artifact: Artifact) -> None:
    facts = artifact.path.with_suffix(".json")
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "id": "0" * 64}))


@pytest.mark.parametrize("harm", [_cut, _flip, _unlink, _scribble, _swap])
def test_damage_is_refused_and_mended_by_putting_again(store: ArtifactStore, tmp_path: Path, harm: Any) -> None:
    """A damaged artifact is never handed out; putting the right bytes again makes it whole."""
    artifact = store.put(_image(tmp_path), **FACTS)
    harm(artifact)
    with pytest.raises(ArtifactError, match="is damaged"):
        store.get(artifact.id)
    assert [artifact.id[:12] in error.message for error in store.damaged()] == [True]
    again = store.put(_image(tmp_path), **FACTS)
    assert store.get(artifact.id) == again
    assert store.read(again) == _image(tmp_path).read_bytes()


def test_no_image_leaves_no_trace(store: ArtifactStore, tmp_path: Path) -> None:
    """Bytes that are no image are refused before anything is written; a missing file is said."""
    noise = tmp_path / "noise.bin"
    noise.write_bytes(b"\xe9" * 70_000)
    with pytest.raises(ImageError):
        store.put(noise, **FACTS)
    with pytest.raises(ArtifactError, match="cannot read"):
        store.put(tmp_path / "nowhere.bin", **FACTS)
    assert not store.folder.exists()


def test_refusing_disk_leaves_no_half_artifact(store: ArtifactStore, tmp_path: Path) -> None:
    """Where the facts cannot be written the artifact is not there, and no temporary file stays."""
    image = _image(tmp_path)
    name = hashlib.sha256(image.read_bytes()).hexdigest()
    (store.folder / f"{name}.json" / "in the way").mkdir(parents=True)
    with pytest.raises(StorageError, match="cannot write"):
        store.put(image, **FACTS)
    assert {path.suffix for path in store.folder.iterdir()} <= {".bin", ".json"}
    with pytest.raises(ArtifactError):
        store.get(name)


def test_concurrent_writers_agree(store: ArtifactStore, tmp_path: Path) -> None:
    """Processes that put the same bytes at once leave one whole artifact."""
    image = _image(tmp_path)
    command = [sys.executable, "-c", PUTTER, str(tmp_path), str(image)]
    writers = [subprocess.Popen(command) for _ in range(4)]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0, 0]
    assert len(store.list()) == 1
    assert len(_kept(store)) == 2
    assert list(store.damaged()) == []


def test_artifact_is_json_able(store: ArtifactStore, tmp_path: Path) -> None:
    """An artifact as data goes through JSON."""
    artifact = store.put(_image(tmp_path), **FACTS)
    data = json.loads(json.dumps(artifact.as_dict()))
    assert (data["id"], data["path"], data["size"]) == (artifact.id, str(artifact.path), artifact.size)
