"""Lines of progress that know which service they tell of."""

from __future__ import annotations

from typing import Self

from k1nb.stack._jar import Notify


class ServiceLine(str):
    """One line of progress of one service; to who only prints lines, a line like any other."""

    __slots__ = ("ready", "service")
    service: str
    ready: bool
    """The service is ready; nothing more will be said of it."""

    def __new__(cls, text: str, service: str, *, ready: bool = False) -> Self:
        """Make a line of a text."""
        line = super().__new__(cls, text)
        line.service, line.ready = service, ready
        return line


def about(service: str, notify: Notify) -> Notify:
    """Return a function that passes lines on as those of a service."""
    return lambda text: notify(text if isinstance(text, ServiceLine) else ServiceLine(text, service))
