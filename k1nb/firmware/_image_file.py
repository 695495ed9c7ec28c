"""An image in a file, read piece by piece: many transfers of one image must not hold it many times."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from k1nb.errors import ArtifactError
from k1nb.firmware._image import ImageFacts, read_image


class ImageFile:
    """A readable image with its facts; slices are its bytes. Close it, or use it in a `with` statement.

    The file is held open: replacing it by another one, as the artifact store does, changes nothing here.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError where the file cannot be read, ImageError for bytes that are no image of this chip."""
        self._file = path.open("rb", buffering=0)
        try:
            self.facts: ImageFacts = read_image(self._file.readall())
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        """Return the image's size in bytes."""
        return self.facts.size

    def __getitem__(self, part: slice) -> bytes:
        """Return some of the image's bytes; raises ArtifactError where the file was cut meanwhile."""
        start, stop, _ = part.indices(len(self))
        size = max(stop - start, 0)
        data = os.pread(self._file.fileno(), size, start)
        if len(data) < size:
            raise ArtifactError(
                f"{self._file.name} was cut to less than {stop} bytes while it was read",
                hint="build its commit again or restore it from a backup",
            )
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        """Return the image."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()
