"""The recipes in deploy/ speak of ports, probes, settings and metrics that exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram

from service import metrics
from service.guard import OPEN, ROUTES
from service.settings import PREFIX, Settings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
MANIFEST = (DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")
VARIABLES = {PREFIX + name.upper() for name in Settings.model_fields} | {"HOST", "PORT"}


@pytest.fixture(scope="module")
def objects() -> dict[str, dict[str, Any]]:
    return {data["kind"]: data for data in yaml.safe_load_all(MANIFEST)}


@pytest.fixture(scope="module")
def pod(objects: dict[str, dict[str, Any]]) -> dict[str, Any]:
    spec: dict[str, Any] = objects["Deployment"]["spec"]["template"]["spec"]
    return spec


@pytest.fixture(scope="module")
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod["containers"]
    data: dict[str, Any] = only
    return data


def test_it_says_that_no_cluster_has_seen_it() -> None:
    assert MANIFEST.startswith("# Not applied to a cluster")


def test_ports_agree(objects: dict[str, dict[str, Any]], container: dict[str, Any]) -> None:
    env = {entry["name"]: entry["value"] for entry in container["env"]}
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert str(ports["http"]) == env["PORT"]
    assert f"EXPOSE {ports['http']}" in CONTAINERFILE
    assert f"PORT={ports['http']}" in CONTAINERFILE
    annotations = objects["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == env["PORT"]
    assert annotations["prometheus.io/path"] in ROUTES
    assert objects["NetworkPolicy"]["spec"]["ingress"][0]["ports"] == [{"port": ports["http"]}]
    assert [port["targetPort"] for port in objects["Service"]["spec"]["ports"]] == ["http"]


@pytest.mark.parametrize(
    ("probe", "path"), [("startupProbe", "/readyz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/livez")]
)
def test_probes_are_paths_that_need_no_key(container: dict[str, Any], probe: str, path: str) -> None:
    assert container[probe]["httpGet"] == {"path": path, "port": "http"}
    assert path in OPEN


def test_settings_exist(objects: dict[str, dict[str, Any]], container: dict[str, Any]) -> None:
    named = {entry["name"] for entry in container["env"]} | set(objects["Secret"]["stringData"])
    assert named <= VARIABLES
    Settings.load(**{e["name"].removeprefix(PREFIX).lower(): e["value"] for e in container["env"]})


def test_the_grace_period_covers_deadline_and_drain(pod: dict[str, Any], container: dict[str, Any]) -> None:
    env = {entry["name"]: entry["value"] for entry in container["env"]}
    least = float(env["QAWL_DEADLINE_SECONDS"]) + float(env["QAWL_DRAIN_SECONDS"])
    assert pod["terminationGracePeriodSeconds"] > least


def test_it_runs_without_rights(pod: dict[str, Any], container: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    user = pod["securityContext"]["runAsUser"]
    assert f"USER {user}\n" in CONTAINERFILE
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]
    assert "BENTOML_HOME=/tmp/bentoml" in CONTAINERFILE


def test_the_recipe_types_in_no_image() -> None:
    assert re.search(r"^ARG BASE$", CONTAINERFILE, re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", CONTAINERFILE, re.MULTILINE)) == {"${BASE}"}
    assert "--require-hashes" in CONTAINERFILE
    for path in DEPLOY.iterdir():
        assert not re.search(r"sha256:[0-9a-f]{64}", path.read_text(encoding="utf-8")), path


def test_metrics_that_are_spoken_of_exist() -> None:
    kinds = (Counter, Gauge, Histogram)
    known = {family.name for m in vars(metrics).values() if isinstance(m, kinds) for family in m.collect()}
    spoken = set(re.findall(r"\bqawl_[a-z_]+", (DEPLOY / "sizing.md").read_text(encoding="utf-8")))
    spoken = {name.removesuffix("_sum") for name in spoken}
    assert len(spoken) > 8
    assert {name.removesuffix("_total") for name in spoken} <= known


def test_the_lock_and_the_recipes_agree() -> None:
    text = (DEPLOY / "sizing.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\bQAWL_[A-Z_]+", text)) <= VARIABLES
    assert "build/bento/src/requirements/serve.txt" in CONTAINERFILE


@pytest.mark.parametrize("script", ["pin-image.sh", "audit.sh"])
def test_without_a_network_nothing_is_green(script: str, tmp_path: Path) -> None:
    """No registry tool on the path, no pip-audit: exit 3, and nothing is written."""
    (tmp_path / script).write_text((DEPLOY / script).read_text(encoding="utf-8"), encoding="utf-8")
    for tool in ("dirname", "mktemp", "rm", "cat"):
        (tmp_path / tool).symlink_to(Path("/usr/bin") / tool)
    ended = subprocess.run(
        ["/bin/sh", str(tmp_path / script)],
        env={"PATH": str(tmp_path), "PYTHON": f"{sys.executable} -I"} | {"HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3
    assert ended.stderr.startswith("not ")
    assert not (tmp_path / "base-image").exists()
