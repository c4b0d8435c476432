"""What is known of the request in hand, shared by guard and handlers through the task's context."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from service.errors import ApiError
from service.settings import Settings


@dataclass(slots=True)
class Call:
    """One HTTP request; `deadline` is in the event loop's time.

    `code` is that of the envelope, if it comes to one; `failure` is why.
    `queue` and `inference` are seconds that its windows waited for the model and were in it.
    """

    rid: str
    deadline: float
    settings: Settings
    code: str = ""
    queue: float = 0.0
    inference: float = 0.0
    failure: ApiError | None = None


_current: ContextVar[Call | None] = ContextVar("qawl_call", default=None)


def enter(call: Call) -> None:
    """Make this the call of the running task and of the tasks it starts."""
    _current.set(call)


def current() -> Call | None:
    """The call of the running task; None outside of any (warm-up)."""
    return _current.get()
