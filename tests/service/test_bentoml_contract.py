"""What the service takes from BentoML's inside: each is undocumented, and checked here before it is relied on."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.service.process import ROOT, environment

# Importing BentoML warns, and warnings are errors here: a process of its own looks.
_LOOK = """
import inspect, json
import bentoml
from _bentoml_impl.worker.service import main
from _bentoml_sdk.io_models import IODescriptor
from _bentoml_sdk.service.factory import Service
from bentoml._internal.server.http.traffic import TimeoutMiddleware
from service.app import create_service
from service.settings import Settings

service = create_service(Settings.load())
plain = Service.to_asgi(service)
guarded = service.to_asgi()
print(json.dumps({
    "version": bentoml.__version__,
    "service_class": "service_class" in inspect.signature(bentoml.service).parameters,
    "subclass": isinstance(service, Service),
    "plain_times_out": any(m.cls is TimeoutMiddleware for m in plain.user_middleware),
    "guarded_times_out": any(m.cls is TimeoutMiddleware for m in guarded._app.user_middleware),
    "guard": type(guarded).__name__,
    "body_hook": list(inspect.signature(IODescriptor.from_http_request).parameters),
    "body_is_ours": service.apis["tag"].input_spec.__name__,
    "routes": sorted(api.route for api in service.apis.values()),
    "options": sorted(option for parameter in main.params for option in parameter.opts),
}))
"""


@pytest.fixture(scope="module")
def inside() -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _LOOK],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def test_a_service_class_can_wrap_the_application(inside: dict[str, Any]) -> None:
    assert inside["version"].startswith("1.4.")
    assert inside["service_class"]
    assert inside["subclass"]
    assert inside["guard"] == "Guard"
    assert inside["routes"] == ["/v1/batch", "/v1/tag"]


def test_bentomls_own_timeout_is_found_and_taken_out(inside: dict[str, Any]) -> None:
    assert inside["plain_times_out"]
    assert not inside["guarded_times_out"]


def test_a_body_may_read_itself(inside: dict[str, Any]) -> None:
    assert inside["body_hook"] == ["request", "serde"]
    assert inside["body_is_ours"] == "TagInput"


def test_the_worker_takes_a_bound_port_and_a_grace_period(inside: dict[str, Any]) -> None:
    wanted = {"--fd", "--worker-id", "--backlog", "--timeout-keep-alive", "--timeout-graceful-shutdown", "--args"}
    assert wanted <= set(inside["options"])
