"""The environments that a commit has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from k1nb.config import Settings
from k1nb.errors import UsageError
from k1nb.firmware import Repository, commit_change, ensure_sample_repository, require_environment
from k1nb.firmware._environments import environments_in


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[platformio]\nsrc_dir = src\n[env]\nframework = arduino\n[env:a]\nx = 1 ; why\n[env:b]\n", ("a", "b")),
        ("[env:a]\nx =\n    one\n    two\n[env:a]\ny = %(no)s\nx = 2\n", ("a",)),
        ("", ()),
        ("[platformio]\nextra_configs = more.ini\n[env:a]\n", None),
        ("not an ini", None),
    ],
)
def test_the_sections_name_them(text: str, names: tuple[str, ...] | None) -> None:
    """Each `[env:NAME]` is one, and nothing is claimed of a file that names further ones or cannot be read."""
    assert environments_in(text) == names


@hypothesis_settings(max_examples=40)
@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever a repository has there, names or nothing known come of it."""
    found = environments_in(text)
    assert found is None or all(isinstance(name, str) for name in found)


def test_what_a_commit_does_not_have_is_refused(settings: Settings) -> None:
    """The names that it has are in the hint; without the file only a name that can be none is refused."""
    sample = ensure_sample_repository(settings.paths)
    commit = commit_change(sample)
    require_environment(sample, commit, "esp32-s3-devkitc-1")
    with pytest.raises(UsageError, match="has no environment 'other'") as caught:
        require_environment(sample, commit, "other")
    assert caught.value.hint == "it has esp32-s3-devkitc-1"
    elsewhere = Repository(sample.name, sample.path, "elsewhere", sample.core_dir)
    require_environment(elsewhere, commit, "other")
    for name in ("", " ", "a\x1b[31m", "a\nb"):
        with pytest.raises(UsageError, match="is no name"):
            require_environment(elsewhere, commit, name)
