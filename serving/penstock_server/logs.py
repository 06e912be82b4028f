"""Log lines: one JSON object per event on standard output. No line holds a value that a request brought."""

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ERROR = logging.ERROR
WARNING = logging.WARNING
_LOGGER = logging.getLogger("penstock.server")


class JsonFormatter(logging.Formatter):
    """Renders a record as one line of JSON: time, level, event, and the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line. Of an exception only its class and place: its text may quote a request."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
            trace = record.exc_info[2]
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            if trace is not None:
                line["at"] = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        return json.dumps(line)


def configure() -> None:
    """Send every logger of this process through one handler."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # uvicorn tells of its own start and stop; our events say the same with more.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def event(
    name: str, *, level: int = logging.INFO, exception: BaseException | None = None, **fields: Any
) -> None:
    """Write one line."""
    _LOGGER.log(level, name, extra={"fields": fields}, exc_info=exception)
