"""What was ever sent to a device."""

from __future__ import annotations

from pathlib import Path

from k1nb.firmware import ArtifactStore, Ledger, device_history
from k1nb.paths import Paths
from tests.device import _images

MAC = "AA:BB:CC:DD:EE:FF"


def test_a_row_knows_its_commit_as_long_as_its_artifact_is_stored(tmp_path: Path) -> None:
    """Rows come newest first, of this device alone; a removed artifact leaves its row, without a commit."""
    paths = Paths(tmp_path, tmp_path, tmp_path)
    image = tmp_path / "image.bin"
    image.write_bytes(_images.sample("k1-0123456789ab"))
    store, ledger = ArtifactStore(paths), Ledger(paths)
    artifact = store.put(image, version="c" * 40, environment="e", repo="r", branch="main")
    for number in range(3):
        ledger.begin(MAC, artifact.id, f"execution-{number}", "test")
    ledger.begin("AA:BB:CC:DD:EE:00", artifact.id, "elsewhere", "test")
    found = device_history(paths, MAC, 2)
    assert [(past.deployment.execution_id, past.commit) for past in found] == [
        ("execution-2", "c" * 40),
        ("execution-1", "c" * 40),
    ]
    store.remove(artifact.id)
    gone = device_history(paths, MAC, 5)
    assert [past.commit for past in gone] == [None] * 3
    assert gone[0].as_dict()["artifact_id"] == artifact.id
    assert gone[0].as_dict()["stored"] is False
