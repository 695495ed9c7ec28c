"""Secrets: found in settings, kept out of everything that is written."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable
from urllib.parse import quote

MASK = "[redacted]"


def encodings(secret: str) -> set[str]:
    """Return the spellings in which a secret's value usually leaks: raw, JSON, URL, HTML, base64."""
    raw = secret.encode()
    shifted = (base64.b64encode(b"\0" * n + raw).decode() for n in range(3))
    # Inside longer base64 text only the characters that depend on the secret alone can be recognised.
    inner = {text[-(-n * 8 // 6) : len(text.rstrip("=")) - 1] for n, text in enumerate(shifted)}
    whole = {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quote(secret),
        quote(secret, safe=""),
        html.escape(secret),
        html.escape(secret, quote=False),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
    }
    return whole | {text for text in inner if len(text) >= 8}


class Redactor:
    """Replaces every known secret value, in its usual encodings, in text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings = {spelling for secret in secrets if secret for spelling in encodings(secret)}
        self._spellings = sorted(spellings, key=len, reverse=True)

    def __repr__(self) -> str:
        """Say how many spellings are known, never which."""
        return f"Redactor({len(self._spellings)} spellings)"

    def __call__(self, text: str) -> str:
        """Return `text` with every secret masked."""
        for spelling in self._spellings:
            text = text.replace(spelling, MASK)
        return text

    def found(self, text: str) -> int:
        """Count the places in `text` that would be masked."""
        return self(text).count(MASK) - text.count(MASK)
