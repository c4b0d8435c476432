"""What BentoML imports to serve: the service for the settings of this environment.

The bundle is loaded at the import, where what is wrong with it ends the command that imports: a worker that fails
later is started again and again by BentoML's supervisor, each time with a traceback.
"""

from __future__ import annotations

import sys

from models.errors import QawlError
from service.app import create_service
from service.runtime import load_tagger
from service.settings import Settings

try:
    _settings = Settings.load()
    load_tagger(_settings)
    Qawl = create_service(_settings)
except QawlError as error:
    sys.stderr.write(f"qawl: {error}\n")
    raise SystemExit(2) from None
