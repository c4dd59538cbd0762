"""Logs as lines of JSON. Requests are told by the template of their route, so no merchant's name or id gets into a log."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

FACTS = "facts"
"""The attribute of a record that holds what it says beside its words."""
OWN = "keepwell"
TIME = "%Y-%m-%dT%H:%M:%S"


class Lines(logging.Formatter):
    """A record as one line of JSON.

    Examples
    --------
    >>> record = logging.makeLogRecord({"msg": "run %s stands", "args": ("r1",), "levelname": "INFO", "name": "keepwell", "created": 0.25})
    >>> Lines().format(record)
    '{"at": "1970-01-01T00:00:00.250Z", "level": "info", "logger": "keepwell", "message": "run r1 stands"}'
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line; a traceback is a field of it."""
        at = f"{datetime.fromtimestamp(record.created, UTC).strftime(TIME)}.{int(record.created % 1 * 1000):03d}Z"
        line = {"at": at, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        line |= getattr(record, FACTS, {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def to_stderr(level: int = logging.INFO) -> None:
    """Write Keepwell's own records from `level` on, and others' warnings, to standard error; once, however often it is called."""
    root = logging.getLogger()
    if not any(isinstance(handler.formatter, Lines) for handler in root.handlers):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(Lines())
        root.addHandler(handler)
    for name in (OWN, "serving"):
        logging.getLogger(name).setLevel(level)
