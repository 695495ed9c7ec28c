"""Built web apps: what a build left, as one archive kept under the sha256 of its bytes.

Layout: `<artifacts>/webapp/<sha256>.tar` and beside it `<sha256>.json` with the build's facts. The same files
give the same archive, whenever and wherever they were built.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from k1nb._content import ContentStore, Kind
from k1nb.errors import ArtifactError, BuildError, UnknownName
from k1nb.paths import Paths, unwritable

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
_AGAIN = "build its commit again with the workflow multi-stage-deployment"
_KIND = Kind("web app", bytes="archive", suffix=".tar", find=_AGAIN, mend=_AGAIN)


class WebAppStore(ContentStore[WebApp]):
    """Puts builds in and hands out only archives whose sum is right."""

    def __init__(self, paths: Paths) -> None:
        super().__init__(paths.artifacts / "webapp", _WEBAPP, _KIND)

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
        now = datetime.now(UTC)
        return self._keep(WebApp(name, self._file(name), len(data), len(files), version, repo, branch, now), data)

    def unpack(self, webapp: WebApp, folder: Path) -> None:
        """Write the files of a web app into a folder; raises ArtifactError, StorageError."""
        with tarfile.open(fileobj=io.BytesIO(self.read(webapp))) as archive:
            try:
                archive.extractall(folder, filter="data")
            except OSError as error:
                raise unwritable(folder, error) from error


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
