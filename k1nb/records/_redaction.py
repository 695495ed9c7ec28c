"""Redaction of what is kept: every text in it, wherever it is nested."""

from __future__ import annotations

import re
from typing import Any

from k1nb.secrets import Redactor

# What readers of notebooks and manifests find their way by: k1nb, nbformat and papermill write it, no operator does.
_STRUCTURE = frozenset(
    {
        *("cells", "cell_type", "id", "metadata", "source", "outputs", "output_type", "data", "text", "name"),
        *("execution_count", "nbformat", "nbformat_minor", "tags", "papermill", "parameters", "traceback"),
        *("ename", "evalue", "kernelspec", "language_info"),
    }
)
_FIXED = frozenset({"cell_type", "output_type", "id", "tags", "kernelspec", "language_info"})
_MIME = re.compile(r"(application|text|image)/[a-z0-9.+-]+")


def scrub(value: Any, redact: Redactor) -> Any:
    """Return JSON-able data with every secret masked: in texts, in names, and in numbers that spell one.

    What the structure of a notebook hangs on is left alone.
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {_key(k, redact): v if k in _FIXED else scrub(v, redact) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [scrub(item, redact) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool) and redact.found(str(value)):
        return redact(str(value))
    return value


def _key(key: str, redact: Redactor) -> str:
    return key if key in _STRUCTURE or _MIME.fullmatch(key) else redact(key)
