"""What is done for finding a record at the moment it is sealed."""

from __future__ import annotations

import logging
import sqlite3

from k1nb.config import Settings
from k1nb.errors import K1Error
from k1nb.records._record import Record


def make_findable(settings: Settings, record: Record) -> None:
    """Take a sealed record into the index, and renew the archive's page where there is one; raises nothing of it.

    What could not be done now, the next search does.
    """
    from k1nb.records._archive_page import PAGE, write_archive_page
    from k1nb.records._index import Index

    try:
        if Index(settings).add(record) and (settings.paths.archive / PAGE).is_file():
            write_archive_page(settings)
    except (sqlite3.Error, OSError, K1Error) as error:
        logging.getLogger(__name__).warning("the archive's page does not show record %s yet: %s", record.id, error)
