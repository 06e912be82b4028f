"""JSON logs: one line per record, whatever a record contains. Objects, specs and secrets are never logged."""

import json
import logging
import sys
from datetime import UTC, datetime

LONGEST = 2000  # characters of one value: an error message may quote a large object
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Libraries that would log objects, or a line for every event.
_TAMED = {
    "kopf": logging.WARNING,
    "aiohttp": logging.WARNING,
    "asyncio": logging.WARNING,
    "kubernetes": logging.ERROR,
}


class JsonLines(logging.Formatter):
    """A record as one JSON object: time, level, logger, message, and what was given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line. JSON escapes every control character, so no value can begin a second record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _short(record.getMessage()),
        }
        for key, value in vars(record).items():
            if key not in _STANDARD and not key.startswith("_"):
                line[key] = _short(value) if isinstance(value, str) else value
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)[-4 * LONGEST :]
        return json.dumps(line, default=lambda value: _short(str(value)))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def configure(level: str) -> None:
    """Send all logs to standard error as JSON lines; libraries only what is worth a person's attention."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, least in _TAMED.items():
        logging.getLogger(name).setLevel(max(least, logging.getLevelName(level)))
