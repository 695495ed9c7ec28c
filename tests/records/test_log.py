"""The kernel's log, masked on its way to the disk."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from k1nb.records._log import Masking
from k1nb.secrets import Redactor

SECRET = "correct-horse"


@given(st.lists(st.integers(0, 60), max_size=6), st.text(alphabet="abc- ", max_size=40))
def test_a_secret_is_masked_however_it_is_split(cuts: list[int], around: str) -> None:
    """Wherever a text is cut into pieces, what is written is the whole text masked."""
    text = f"{around}{SECRET} and {SECRET}{around}"
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    masking = Masking(Redactor([SECRET]), len(SECRET))
    written = [masking.feed(text[start:end]) for start, end in pairwise(places)]
    assert "".join(written) + masking.rest() == Redactor([SECRET])(text)


def test_without_secrets_nothing_is_held_back() -> None:
    """Where there is no secret every piece is written as it comes."""
    masking = Masking(Redactor([]), 0)
    assert (masking.feed("now"), masking.rest()) == ("now", "")
