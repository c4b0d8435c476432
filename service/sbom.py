"""The bill of materials that travels with a bento: every locked package and the weights, as CycloneDX."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

from models.bundle import Bundle

_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^\s;\\]+)(?:\s*;\s*(?P<marker>[^\\]+?))?\s*\\?$"
)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def bill(lock: str, bundle: Bundle) -> str:
    """The document (JSON) for a hash-locked requirements file and a bundle; the same for the same input."""
    components = [_weights(bundle), *_packages(lock)]
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(components, sort_keys=True))
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "qawl", "bom-ref": "qawl"}},
        "components": components,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _weights(bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "type": "machine-learning-model",
        "bom-ref": f"bundle:{manifest.name}",
        "name": manifest.name,
        "version": manifest.version,
        "licenses": [{"license": {"name": manifest.licence}}],
        "hashes": [{"alg": "SHA-256", "content": bundle.fingerprint}],
    }


def _packages(lock: str) -> list[dict[str, Any]]:
    packages: list[dict[str, Any]] = []
    for line in lock.splitlines():
        if pin := _PIN.match(line):
            purl = f"pkg:pypi/{pin['name'].lower()}@{pin['version']}"
            package: dict[str, Any] = {
                "type": "library",
                "bom-ref": purl,
                "name": pin["name"],
                "version": pin["version"],
                "purl": purl,
                "externalReferences": [
                    {"type": "distribution", "url": f"https://pypi.org/project/{pin['name']}/", "hashes": []}
                ],
            }
            if pin["marker"]:
                package["properties"] = [{"name": "marker", "value": pin["marker"]}]
            packages.append(package)
        elif (found := _HASH.search(line)) and packages:
            packages[-1]["externalReferences"][0]["hashes"].append({"alg": "SHA-256", "content": found[1]})
    return packages
