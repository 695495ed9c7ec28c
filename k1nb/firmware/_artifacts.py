"""The artifact store: firmware images kept under the sha256 of their bytes.

Layout: `<artifacts>/firmware/<sha256>.bin` and beside it `<sha256>.json` with the build's facts. The image is
written before its facts and both are written whole or not at all, so what has facts has bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from k1nb.errors import ArtifactError, ImageError, UnknownName
from k1nb.firmware._image import ImageFacts, read_image
from k1nb.firmware._image_file import ImageFile
from k1nb.paths import Paths, unwritable, write_bytes, write_text

_SHORTEST = 8
_HEX = re.compile(rf"[0-9a-f]{{{_SHORTEST},64}}")
_LIST = "k1nb artifacts list"


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
_FACTS = TypeAdapter(dict[str, Any])


class ArtifactStore:
    """Puts images in and hands out only bytes whose sum is right."""

    def __init__(self, paths: Paths) -> None:
        self.folder = paths.artifacts / "firmware"

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
            path=self._image(facts.sha256),
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
        write_bytes(artifact.path, data)
        return self._written(artifact)

    def _renewed(self, artifact: Artifact) -> Artifact:
        """Count an artifact as stored now, so that it is not taken for an old one while it is about to be used."""
        return self._written(replace(artifact, stored_at=datetime.now(UTC)))

    def _written(self, artifact: Artifact) -> Artifact:
        write_text(self._facts(artifact.id), _ARTIFACT.dump_json(artifact, indent=2, exclude={"path"}).decode() + "\n")
        return artifact

    def get(self, artifact_id: str) -> Artifact:
        """Return an artifact by its id or by a prefix of at least 8 digits that fits no other.

        Raises UnknownName where nothing fits, ArtifactError where its image is missing or damaged.
        """
        artifact = self._load(self._resolve(artifact_id))
        self.read(artifact)
        return artifact

    def read(self, artifact: Artifact) -> bytes:
        """Return the bytes of an artifact, verified; raises ArtifactError where they are missing or damaged."""
        try:
            data = artifact.path.read_bytes()
        except OSError as error:
            raise _unreadable(artifact, error) from error
        if hashlib.sha256(data).hexdigest() != artifact.id:
            raise _changed(artifact, len(data))
        return data

    def remove(self, artifact_id: str) -> bool:
        """Remove an artifact by its whole id, its facts first; tell whether it was there. Raises StorageError."""
        there = False
        for file in (self._facts(artifact_id), self._image(artifact_id)):
            try:
                file.unlink()
                there = True
            except FileNotFoundError:
                continue
            except OSError as error:
                raise unwritable(file, error) from error
        return there

    def open(self, artifact: Artifact) -> ImageFile:
        """Return an artifact's image to be read piece by piece, verified; raises ArtifactError as `read` does."""
        try:
            image = ImageFile(artifact.path)
        except OSError as error:
            raise _unreadable(artifact, error) from error
        except ImageError as error:
            raise _damaged(artifact.id, error.message) from None
        if image.facts.sha256 != artifact.id:
            image.close()
            raise _changed(artifact, image.facts.size)
        return image

    def list(self) -> list[Artifact]:
        """Return what is stored, newest first, without reading the images; `damaged` tells what is left out."""
        found = []
        for name in self._names():
            with suppress(ArtifactError):  # one damaged entry must not hide the others
                found.append(self._load(name))
        return sorted(found, key=lambda artifact: artifact.stored_at, reverse=True)

    def damaged(self) -> Iterator[ArtifactError]:
        """Read everything that is stored and yield what is wrong with it, images that have lost their facts too."""
        for name in self._names():
            try:
                artifact = self._load(name)
                _require_same(artifact, read_image(self.read(artifact)))
            except (ArtifactError, ImageError) as error:
                yield _damaged(name, error.message) if isinstance(error, ImageError) else error
        known = set(self._names())
        for image in sorted(self.folder.glob("*.bin")):
            if _HEX.fullmatch(image.stem) and image.stem not in known:
                yield _damaged(image.stem, "its facts are missing")

    def _names(self) -> Sequence[str]:
        return sorted(path.stem for path in self.folder.glob("*.json") if _HEX.fullmatch(path.stem))

    def _image(self, name: str) -> Path:
        return self.folder / f"{name}.bin"

    def _facts(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _resolve(self, wanted: str) -> str:
        if not _HEX.fullmatch(wanted):
            raise UnknownName(
                f"{wanted!r} is no artifact id: {_SHORTEST} to 64 hex digits of its sha256 are wanted", hint=_LIST
            )
        fitting = [name for name in self._names() if name.startswith(wanted)]
        if not fitting:
            raise UnknownName(f"no artifact {wanted} is stored in {self.folder}", hint=_LIST)
        if len(fitting) > 1:
            raise UnknownName(f"{wanted} fits {len(fitting)} artifacts", hint=f"give more digits; {_LIST}")
        return fitting[0]

    def _load(self, name: str) -> Artifact:
        try:
            facts = _FACTS.validate_json(self._facts(name).read_bytes())
            artifact = _ARTIFACT.validate_python({**facts, "path": self._image(name)})
        except OSError as error:
            raise _damaged(name, f"its facts cannot be read ({error.strerror})") from error
        except ValidationError as error:
            raise _damaged(name, f"its facts are not as they were written: {error.errors()[0]['msg']}") from None
        if artifact.id != name:
            raise _damaged(name, f"its facts are those of {artifact.id[:12]}")
        return artifact


def _require_same(artifact: Artifact, image: ImageFacts) -> None:
    """Raise ArtifactError where the facts that were written down are not those of the image."""
    name = image.descriptor.project_name if image.descriptor else None
    read = {"md5": image.md5, "size": image.size, "project_name": name}
    for fact, value in read.items():
        if getattr(artifact, fact) != value:
            raise _damaged(artifact.id, f"its facts say {fact} {getattr(artifact, fact)}, its image says {value}")


def _unreadable(artifact: Artifact, error: OSError) -> ArtifactError:
    return _damaged(artifact.id, f"its image cannot be read ({error.strerror})")


def _changed(artifact: Artifact, size: int) -> ArtifactError:
    return _damaged(artifact.id, f"the {size:,} bytes of {artifact.path} have another sha256")


def _damaged(name: str, fault: str) -> ArtifactError:
    return ArtifactError(
        f"artifact {name[:12]} is damaged: {fault}", hint="build its commit again or restore it from a backup"
    )
