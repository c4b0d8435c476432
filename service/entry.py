"""What BentoML imports to serve: the service for the settings of this environment."""

from __future__ import annotations

from service.app import create_service
from service.settings import Settings

Qawl = create_service(Settings.load())
