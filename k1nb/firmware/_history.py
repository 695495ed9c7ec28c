"""What was ever sent to a device, with the commits that it was built from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from k1nb.firmware._artifacts import Artifact, ArtifactStore
from k1nb.firmware._ledger import Deployment, Ledger
from k1nb.paths import Paths


@dataclass(frozen=True, slots=True)
class PastDeployment:
    """One row of the ledger, and its artifact where that is still stored."""

    deployment: Deployment
    artifact: Artifact | None

    @property
    def commit(self) -> str | None:
        """The commit that it was built from; None where the artifact is gone, with all that told it."""
        return self.artifact.version if self.artifact else None

    def as_dict(self) -> dict[str, Any]:
        """Return the row as JSON-able data, with its commit."""
        return {**self.deployment.as_dict(), "commit": self.commit, "stored": self.artifact is not None}


def device_history(paths: Paths, mac: str, limit: int) -> list[PastDeployment]:
    """Return the last deployments onto a device, newest first; raises StorageError where the ledger cannot be read."""
    stored = {artifact.id: artifact for artifact in ArtifactStore(paths).list()}
    return [PastDeployment(row, stored.get(row.artifact_id)) for row in Ledger(paths).history(mac, limit)]
