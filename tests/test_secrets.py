"""Redaction finds secrets in the spellings in which they leak."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from k1nb.secrets import MASK, Redactor

secret_values = st.text(min_size=8, max_size=40).filter(lambda s: s.isprintable() and s.strip() == s)
ascii_secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=40)


@given(secret_values, st.text(max_size=20), st.text(max_size=20))
def test_no_usual_spelling_survives(secret: str, before: str, after: str) -> None:
    """Raw, JSON-escaped, URL-encoded and base64 spellings are all masked."""
    raw = secret.encode()
    spellings = (secret, json.dumps(secret)[1:-1], quote(secret, safe=""), base64.b64encode(raw).decode())
    redact = Redactor([secret])
    for spelling in spellings:
        cleaned = redact(before + spelling + after)
        assert spelling not in cleaned.replace(MASK, "")


@given(ascii_secrets, st.binary(max_size=7), st.binary(max_size=7))
def test_base64_of_a_longer_text_shows_no_secret(secret: str, before: bytes, after: bytes) -> None:
    """A secret inside a longer base64 text cannot be decoded from what is left."""
    text = base64.b64encode(before + secret.encode() + after).decode()
    assert MASK in Redactor([secret])(text)


@given(st.text())
def test_text_without_secrets_is_left_alone(text: str) -> None:
    """Where no secret is known nothing is masked."""
    assert Redactor([])(text) == text


def test_found_counts_what_was_masked() -> None:
    """The number of masked places is known, the secret never shown."""
    redact = Redactor(["hunter2-hunter2"])
    assert redact.found("hunter2-hunter2 and hunter2-hunter2") == 2
    assert "hunter2" not in repr(redact)
