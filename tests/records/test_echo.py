"""papermill's files and log of outputs, masked."""

from __future__ import annotations

import io
import logging

import pytest
from nbformat.v4 import new_output

from k1nb.records._echo import Echo, masked_logging
from k1nb.secrets import Redactor

SECRET = "c0rrect-horse"
REDACT = Redactor([SECRET])


def test_what_is_passed_on_in_pieces_is_masked(caplog: pytest.LogCaptureFixture) -> None:
    """A secret that comes in two pieces, in one stream or from one to the other, is in no file and in no log."""
    caplog.set_level(logging.INFO)
    out, err = io.StringIO(), io.StringIO()
    echo = Echo(REDACT, logging.getLogger("papermill"), out, err)
    for name, text in (("stdout", "a c0rr"), ("stdout", "ect-horse b"), ("stdout", "c0rre"), ("stderr", "ct-horse c")):
        echo.take(new_output("stream", name=name, text=text))
    echo.take(new_output("display_data", {"text/plain": f" and {SECRET}"}))
    echo.take(new_output("display_data", {"text/html": "<b>"}))
    echo.close()
    assert out.getvalue() == "a [redacted] bc0rre"
    assert err.getvalue() == "ct-horse c"
    assert caplog.messages == ["a [redacted] b[redacted] c and [redacted]"]


def test_loggers_are_masked_while_a_run_lasts(caplog: pytest.LogCaptureFixture) -> None:
    """Words, arguments and errors of a log record are masked; the kernel's messages, which are pieces, are left out."""
    caplog.set_level(logging.DEBUG)
    with masked_logging(REDACT):
        for name in ("papermill", "traitlets", "somebody.else"):
            logging.getLogger(name).error("no %s", SECRET, exc_info=ValueError(SECRET))
        logging.getLogger("papermill").debug("content: %s", {"text": SECRET[:6]})
    assert SECRET not in caplog.text
    assert caplog.messages == ["no [redacted]"] * 3
    caplog.clear()
    logging.getLogger("papermill").debug("content: %s", SECRET)
    assert caplog.messages == [f"content: {SECRET}"]
