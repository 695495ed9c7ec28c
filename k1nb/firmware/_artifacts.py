"""The artifact store: firmware images kept under the sha256 of their bytes.

Layout: `<artifacts>/firmware/<sha256>.bin` and beside it `<sha256>.json` with the build's facts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from k1nb._content import ContentStore, Kind
from k1nb.errors import ArtifactError, ImageError, UnknownName
from k1nb.firmware._image import ImageFacts, read_image
from k1nb.firmware._image_file import ImageFile
from k1nb.paths import Paths


@dataclass(frozen=True, slots=True)
class Artifact:
    """One stored image with the facts of its build; `id` is the sha256 of its bytes."""

    id: str
    path: Path
    md5: str
    size: int
    """Bytes."""
    project_name: str | None
    """What the image's app descriptor calls the firmware."""
    version: str
    """Commit it was built from; one commit may name the artifacts of several environments."""
    environment: str
    repo: str
    branch: str
    stamp: str | None
    flash_percent: float | None
    ram_percent: float | None
    warnings: int | None
    stored_at: datetime
    """When it was stored last."""

    def as_dict(self) -> dict[str, Any]:
        """Return the artifact as JSON-able data."""
        data: dict[str, Any] = _ARTIFACT.dump_python(self, mode="json")
        return data


_ARTIFACT = TypeAdapter(Artifact)
_KIND = Kind(
    "artifact",
    bytes="image",
    suffix=".bin",
    find="k1nb artifacts list",
    mend="build its commit again or restore it from a backup",
)


class ArtifactStore(ContentStore[Artifact]):
    """Puts images in and hands out only bytes whose sum is right."""

    def __init__(self, paths: Paths) -> None:
        super().__init__(paths.artifacts / "firmware", _ARTIFACT, _KIND)

    def put(
        self,
        image: Path,
        *,
        version: str,
        environment: str,
        repo: str,
        branch: str,
        stamp: str | None = None,
        flash_percent: float | None = None,
        ram_percent: float | None = None,
        warnings: int | None = None,
    ) -> Artifact:
        """Keep an image with its facts; the same bytes are the artifact that is there, its facts too, but stored now.

        Raises ImageError for bytes that are no image, StorageError where the disk refuses.
        """
        try:
            data = image.read_bytes()
        except OSError as error:
            raise ArtifactError(f"cannot read {image}: {error.strerror}", hint="build the commit again") from error
        facts = read_image(data)
        try:
            return self._renewed(self.get(facts.sha256))
        except (UnknownName, ArtifactError):
            pass  # not there, or damaged: written anew below
        artifact = Artifact(
            id=facts.sha256,
            path=self._file(facts.sha256),
            md5=facts.md5,
            size=facts.size,
            project_name=facts.descriptor.project_name if facts.descriptor else None,
            version=version,
            environment=environment,
            repo=repo,
            branch=branch,
            stamp=stamp,
            flash_percent=flash_percent,
            ram_percent=ram_percent,
            warnings=warnings,
            stored_at=datetime.now(UTC),
        )
        return self._keep(artifact, data)

    def _renewed(self, artifact: Artifact) -> Artifact:
        """Count an artifact as stored now, so that it is not taken for an old one while it is about to be used."""
        return self._keep(replace(artifact, stored_at=datetime.now(UTC)))

    def open(self, artifact: Artifact) -> ImageFile:
        """Return an artifact's image to be read piece by piece, verified; raises ArtifactError as `read` does."""
        try:
            image = ImageFile(artifact.path)
        except OSError as error:
            raise self._unreadable(artifact, error) from error
        except ImageError as error:
            raise self._damaged(artifact.id, error.message) from None
        if image.facts.sha256 != artifact.id:
            image.close()
            raise self._changed(artifact, image.facts.size)
        return image

    def damaged(self) -> Iterator[ArtifactError]:
        """Read everything that is stored and yield what is wrong with it, images that have lost their facts too."""
        for name in self._names():
            try:
                artifact = self._load(name)
                self._require_same(artifact, read_image(self.read(artifact)))
            except (ArtifactError, ImageError) as error:
                yield self._damaged(name, error.message) if isinstance(error, ImageError) else error
        for name in self._orphans():
            yield self._damaged(name, "its facts are missing")

    def _require_same(self, artifact: Artifact, image: ImageFacts) -> None:
        """Raise ArtifactError where the facts that were written down are not those of the image."""
        name = image.descriptor.project_name if image.descriptor else None
        read = {"md5": image.md5, "size": image.size, "project_name": name}
        for fact, value in read.items():
            if (known := getattr(artifact, fact)) != value:
                raise self._damaged(artifact.id, f"its facts say {fact} {known}, its image says {value}")
