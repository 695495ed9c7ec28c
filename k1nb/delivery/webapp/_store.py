"""Built web apps: what a build left, as one archive kept under the sha256 of its bytes.

Layout: `<artifacts>/webapp/<sha256>.tar` and beside it `<sha256>.json` with the build's facts, each written whole or
not at all. The same files give the same archive, whenever and wherever they were built.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from k1nb.errors import ArtifactError, BuildError, UnknownName
from k1nb.paths import Paths, unwritable, write_bytes, write_text

_HEX = re.compile(r"[0-9a-f]{8,64}")
PAGE = "index.html"


@dataclass(frozen=True, slots=True)
class WebApp:
    """One stored web app; `id` is the sha256 of its archive."""

    id: str
    path: Path
    size: int
    """Bytes of the archive."""
    files: int
    version: str
    """Commit it was built from."""
    repo: str
    branch: str
    stored_at: datetime

    def as_dict(self) -> dict[str, Any]:
        """Return the web app as JSON-able data."""
        data: dict[str, Any] = _WEBAPP.dump_python(self, mode="json")
        return data


_WEBAPP = TypeAdapter(WebApp)
_FACTS = TypeAdapter(dict[str, Any])


class WebAppStore:
    """Puts builds in and hands out only archives whose sum is right."""

    def __init__(self, paths: Paths) -> None:
        self.folder = paths.artifacts / "webapp"

    def put(self, built: Path, *, version: str, repo: str, branch: str) -> WebApp:
        """Keep the files of a folder; the same files are the web app that is there, with its first facts.

        Raises BuildError for a folder that holds no page or anything but files and folders, StorageError where the
        disk refuses.
        """
        files = _files(built)
        data = _archive(built, files)
        name = hashlib.sha256(data).hexdigest()
        with suppress(UnknownName, ArtifactError):  # not there, or damaged: written anew below
            return self.get(name)
        path, now = self.folder / f"{name}.tar", datetime.now(UTC)
        webapp = WebApp(name, path, len(data), len(files), version, repo, branch, now)
        write_bytes(webapp.path, data)
        write_text(self._facts(name), _WEBAPP.dump_json(webapp, indent=2, exclude={"path"}).decode() + "\n")
        return webapp

    def get(self, webapp_id: str) -> WebApp:
        """Return a web app by its id or a prefix of at least 8 digits that fits no other, its archive verified.

        Raises UnknownName where nothing fits, ArtifactError where its archive or its facts are missing or damaged.
        """
        names = [path.stem for path in self.folder.glob("*.json") if path.stem.startswith(webapp_id)]
        if not _HEX.fullmatch(webapp_id) or len(names) != 1:
            hint = "build its commit again with the workflow multi-stage-deployment"
            raise UnknownName(f"{webapp_id!r} names {len(names)} web apps in {self.folder}", hint=hint)
        return self._load(names[0])

    def list(self) -> list[WebApp]:
        """Return what is stored and whole, newest first."""
        found = []
        for path in self.folder.glob("*.json"):
            with suppress(ArtifactError):  # one damaged entry must not hide the others
                found.append(self._load(path.stem))
        return sorted(found, key=lambda webapp: webapp.stored_at, reverse=True)

    def unpack(self, webapp: WebApp, folder: Path) -> None:
        """Write the files of a web app into a folder; raises ArtifactError, StorageError."""
        with tarfile.open(fileobj=io.BytesIO(self._read(webapp))) as archive:
            try:
                archive.extractall(folder, filter="data")
            except OSError as error:
                raise unwritable(folder, error) from error

    def _facts(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _load(self, name: str) -> WebApp:
        try:
            facts = _FACTS.validate_json(self._facts(name).read_bytes())
            webapp = _WEBAPP.validate_python({**facts, "path": self.folder / f"{name}.tar"})
        except (OSError, ValidationError) as error:
            raise _damaged(name, f"its facts cannot be read: {error}") from error
        self._read(webapp)
        return webapp

    def _read(self, webapp: WebApp) -> bytes:
        try:
            data = webapp.path.read_bytes()
        except OSError as error:
            raise _damaged(webapp.id, f"its archive cannot be read ({error.strerror})") from error
        if hashlib.sha256(data).hexdigest() != webapp.id:
            raise _damaged(webapp.id, f"the {len(data):,} bytes of {webapp.path} have another sha256")
        return data


def _files(built: Path) -> list[Path]:
    """Return every file below a folder, in the order of their names."""
    if not (built / PAGE).is_file():
        raise BuildError(f"the build left no {PAGE} in {built.name}", hint="have `npm run build` write it there")
    found = sorted(path for path in built.rglob("*") if path.is_symlink() or not path.is_dir())
    odd = [path for path in found if path.is_symlink() or not path.is_file()]
    if odd:
        what = f"the build left {odd[0].relative_to(built)}, which is neither a file nor a folder"
        raise BuildError(what, hint="have the build copy what it links to")
    return found


def _archive(built: Path, files: list[Path]) -> bytes:
    """Return a tar of these files in which nothing depends on when, where or by whom it was made."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in files:
            entry = tarfile.TarInfo(path.relative_to(built).as_posix())
            data = path.read_bytes()
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _damaged(name: str, fault: str) -> ArtifactError:
    return ArtifactError(f"web app {name[:12]} is damaged: {fault}", hint="build its commit again")
