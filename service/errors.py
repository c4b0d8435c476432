"""What the service answers when it cannot: a closed set of codes, one envelope."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

Code = Literal[
    "bad_request",
    "unauthorized",
    "not_found",
    "method_not_allowed",
    "too_large",
    "unsupported_media_type",
    "invalid",
    "queue_full",
    "internal",
    "not_ready",
    "deadline",
]
STATUS: dict[Code, int] = {
    "bad_request": HTTPStatus.BAD_REQUEST,
    "unauthorized": HTTPStatus.UNAUTHORIZED,
    "not_found": HTTPStatus.NOT_FOUND,
    "method_not_allowed": HTTPStatus.METHOD_NOT_ALLOWED,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "unsupported_media_type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
    "queue_full": HTTPStatus.TOO_MANY_REQUESTS,
    "internal": HTTPStatus.INTERNAL_SERVER_ERROR,
    "not_ready": HTTPStatus.SERVICE_UNAVAILABLE,
    "deadline": HTTPStatus.GATEWAY_TIMEOUT,
}
_CODES: dict[int, Code] = {status: code for code, status in STATUS.items()}

MAX_DETAILS = 20
MAX_BYTES = 4096
_MAX_FIELD, _MAX_MESSAGE = 40, 110


@dataclass(frozen=True, slots=True)
class Detail:
    """One field that is wrong, and how; holds no text of the caller."""

    field: str
    message: str


class ApiError(Exception):
    """An answer other than 200. `message` and `details` never hold the caller's text."""

    def __init__(
        self, code: Code, message: str, details: Sequence[Detail] = (), *, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code: Code = code
        self.message = message
        self.details = tuple(details)
        self.headers = headers or {}

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return STATUS[self.code]

    def body(self, rid: str) -> dict[str, Any]:
        """What stands under `error` in the reply."""
        return {
            "code": self.code,
            "message": self.message[: 2 * _MAX_MESSAGE],
            "details": [
                {"field": d.field[:_MAX_FIELD], "message": d.message[:_MAX_MESSAGE]} for d in self.details[:MAX_DETAILS]
            ],
            "request_id": rid,
        }

    def envelope(self, rid: str) -> bytes:
        """The reply's body, under 4 KB."""
        body = self.body(rid)
        while len(data := json.dumps({"error": body}).encode()) >= MAX_BYTES:
            body["details"].pop()
        return data


def queue_full(seconds: int, message: str) -> ApiError:
    """429: come back in that many seconds."""
    return ApiError("queue_full", message, headers={"retry-after": str(seconds)})


def not_ready(message: str, seconds: int = 1) -> ApiError:
    """503: not yet, or not any more."""
    return ApiError("not_ready", message, headers={"retry-after": str(seconds)})


def internal() -> ApiError:
    """500: our fault; the log has it under the request id."""
    return ApiError("internal", "the service could not answer; the log has the request id")


def of_status(status: int) -> ApiError:
    """The envelope for a status that the framework chose by itself."""
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return not_ready("the service is not ready")
    code = _CODES.get(status, "internal" if status >= 500 else "bad_request")
    return internal() if code == "internal" else ApiError(code, HTTPStatus(status).phrase.lower())
