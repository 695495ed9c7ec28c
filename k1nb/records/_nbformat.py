"""nbformat, imported without what takes most of the time that its import takes."""

from __future__ import annotations

import sys
from typing import Any

_GRAMMARS = "rfc3987_syntax"


def nbformat() -> Any:
    """Return the package nbformat.

    It imports jsonschema, which imports the checkers of all formats that are installed, and nbformat uses none of them.
    One builds 39 grammars as it is imported: 1.1 s of 1.2 in all (nbformat 5.11, jsonschema 4.26, rfc3987-syntax 1.1).
    """
    if "jsonschema" not in sys.modules and _GRAMMARS not in sys.modules:
        sys.modules[_GRAMMARS] = None  # type: ignore[assignment] # Python's own way to say that there is no such module
        try:
            import nbformat
        finally:
            sys.modules.pop(_GRAMMARS, None)  # another thread may have been as quick
    import nbformat

    return nbformat
