"""Tests of images that are read piece by piece."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k1nb.errors import ArtifactError, ImageError
from k1nb.firmware import ImageFile, read_image
from tests.device import _images

IMAGE = _images.image()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with an image."""
    path = tmp_path_factory.mktemp("image") / "firmware.bin"
    path.write_bytes(IMAGE)
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(IMAGE) + 100), st.integers(0, len(IMAGE) + 100))
def test_slices_are_those_of_the_bytes(file: Path, start: int, stop: int) -> None:
    """Any slice is the one that the whole image has, with the facts of the whole image."""
    with ImageFile(file) as image:
        assert image[start:stop] == IMAGE[start:stop]
        assert len(image) == len(IMAGE)
        assert image.facts == read_image(IMAGE)


def test_a_file_that_is_replaced_is_still_read(tmp_path: Path) -> None:
    """Another image under the same name does not reach who has the first one open."""
    path = tmp_path / "firmware.bin"
    path.write_bytes(IMAGE)
    with ImageFile(path) as image:
        other = tmp_path / "other"
        other.write_bytes(bytes(len(IMAGE)))
        other.replace(path)
        assert image[:] == IMAGE


def test_a_file_that_is_cut_is_an_error_not_a_short_image(tmp_path: Path) -> None:
    """Bytes that are no longer there are said to be gone."""
    path = tmp_path / "firmware.bin"
    path.write_bytes(IMAGE)
    with ImageFile(path) as image:
        os.truncate(path, 1000)
        assert image[:1000] == IMAGE[:1000]
        with pytest.raises(ArtifactError, match="was cut"):
            _ = image[:1001]


def test_what_is_no_image_is_refused_and_closed(tmp_path: Path) -> None:
    """Bytes that are no image raise ImageError; with ResourceWarning an error, so would a file left open."""
    path = tmp_path / "firmware.bin"
    path.write_bytes(bytes(100))
    with pytest.raises(ImageError):
        ImageFile(path)
