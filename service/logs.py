"""Logs as one JSON object a line on standard output; no text of a caller, whatever the level."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

from service.call import current
from service.errors import ApiError

LOGGER = logging.getLogger("qawl")
# What BentoML and its servers log under; they get our handler in place of their own.
_OTHERS = ("bentoml", "bentoml.access", "bentoml.serve", "circus", "uvicorn", "uvicorn.error", "uvicorn.access")


class JsonFormatter(logging.Formatter):
    """Level, logger, message, request id and `fields`; of an exception its type and frames only.

    An exception's message may quote what it choked on, so it is left out.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        call = current()
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if call is not None:
            line["rid"] = call.rid
        line.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            frames = traceback.extract_tb(record.exc_info[2])
            line["frames"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(line, ensure_ascii=False, default=str)


class _Handler(logging.StreamHandler[Any]):
    """Counts a line that cannot be written (disk full, reader gone) instead of failing the request."""

    def handleError(self, record: logging.LogRecord) -> None:
        from service import metrics

        metrics.LOG_FAILURES.inc()


def _is_fault(record: logging.LogRecord) -> bool:
    """An ApiError is an answer, counted and logged by the guard; BentoML would log its traceback."""
    return not (record.exc_info and isinstance(record.exc_info[1], ApiError))


def configure(level: str) -> None:
    """Send every log line of this process through the JSON formatter."""
    handler = _Handler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(_is_fault)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(logging.WARNING, getattr(logging, level)))
    for name in _OTHERS:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate, logger.disabled = [], True, False
        logger.setLevel(logging.WARNING)
    LOGGER.disabled = False
    LOGGER.setLevel(level)


def event(message: str, *, level: int = logging.INFO, exc_info: bool = False, **fields: Any) -> None:
    """Log one event with its fields."""
    LOGGER.log(level, message, exc_info=exc_info, extra={"fields": fields})
