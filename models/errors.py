"""Every error a user can cause; `str(error)` is one sentence for that user.

QawlError(ValueError)
 ├─ InputError    an article or request that cannot be tagged; names the field
 ├─ ConfigError   a run's TOML or a setting
 ├─ DataError     a row of a corpus; names file and line
 └─ BundleError   a bundle that is missing, tampered with or of another format; names the file
"""

from __future__ import annotations


class QawlError(ValueError):
    """Root of the errors a user can cause; never raised for our own mistakes."""


class InputError(QawlError):
    """One article that cannot be tagged.

    `field` is the path of the offending field in the request (`sentences[3]`), `message` says what is
    allowed; neither holds any of the caller's text, so both are safe in replies and logs.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class ConfigError(QawlError):
    """A run's configuration that cannot be used."""


class DataError(QawlError):
    """A corpus, or one row of it, that cannot be read."""


class BundleError(QawlError):
    """A bundle folder that cannot be loaded or written."""
