"""schemathesis on the service's own OpenAPI document: a short run in the tests, thousands of cases by hand.

python -m tests.service.fuzzing BUNDLE [EXAMPLES]
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.service.process import ROOT, Server, running
from tests.soak.soak import save

# Limits small enough that values at them, and beyond, cost little.
SMALL: dict[str, Any] = {
    "QAWL_MAX_TEXT": 200,
    "QAWL_MAX_SENTENCES": 5,
    "QAWL_MAX_TARGETS": 4,
    "QAWL_MAX_ARTICLES": 3,
    "QAWL_LOG_LEVEL": "WARNING",
}


def fuzz(server: Server, examples: int) -> tuple[int, str]:
    """Run all checks; returns the number of cases and the report, raises if any check fails."""
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run(
            [
                *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{server.url}/docs.json"),
                *("--checks", "all", "--max-examples", str(examples), "--seed", "20", "--no-color"),
                *("--continue-on-failure", "--generation-database", "none"),
            ],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.service.fuzz_hooks"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]
    found = re.search(r"(\d+) generated", ended.stdout)
    assert found, ended.stdout[-2000:]
    return int(found[1]), ended.stdout


def main() -> None:
    bundle, examples = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), QAWL_BUNDLE=bundle.resolve(), **SMALL) as server,
    ):
        cases, report = fuzz(server, examples)
        sys.stdout.write(report)
        refused = server.metric("qawl_replies_total") - server.metric('qawl_replies_total{code="ok"')
        sys.stdout.write(f"{cases} cases, {refused:.0f} refused by the envelope, no 5xx\n")
        save("fuzzing", {"cases": cases})


if __name__ == "__main__":
    main()
