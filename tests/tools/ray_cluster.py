"""Runs a job on a local Ray cluster of two nodes and kills one of them on the way.

`python -m tests.tools.ray_cluster IN OUT` prints as JSON the exit code, how many parts were done when the node was
killed, and how many nodes worked.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from tests.tools.fakes import local
from tools.ray_tag import run_on_ray
from tools.run import Job
from tools.workers import Local


def logged(job: Job, files: Sequence[Path]) -> Local:
    """The fake, as soon as actors of both nodes are there: the faster one must not be done before the other starts."""
    assert job.output is not None
    (job.output / f"_actor-{ray.get_runtime_context().get_node_id()}").touch()
    while len(list(job.output.glob("_actor-*"))) < 2:
        time.sleep(0.1)
    return local(job, files)


def main() -> None:
    source, out = sys.argv[1:]
    # The nodes inherit these; a runtime environment of Ray's would take longer to start than the whole job, and
    # workers with Ray's own niceness would never have their turn on a busy machine.
    root = str(Path(__file__).resolve().parents[2])
    os.environ |= {"PYTHONPATH": root, "FAKE_SECONDS": "0.3", "RAY_worker_niceness": "0"}
    # A dead node is given up after a second or two instead of a quarter of a minute; nobody is told that Ray ran.
    os.environ |= {"RAY_health_check_period_ms": "500", "RAY_health_check_failure_threshold": "3"}
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    codes: list[int] = []
    job = Job(inputs=(source,), output=Path(out), threads=1, quiet=True)
    thread = threading.Thread(target=lambda: codes.append(run_on_ray(job, "auto", make_worker=logged)))
    thread.start()
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and not list(Path(out, "_done").glob("*.json")):
        time.sleep(0.05)
    done = len(list(Path(out, "_done").glob("*.json")))
    cluster.remove_node(second, allow_graceful=False)
    thread.join(timeout=120)
    ray.shutdown()
    cluster.shutdown()
    # Last, for until then Ray prints what its nodes say.
    sys.stdout.write(
        json.dumps({"codes": codes, "done_at_kill": done, "nodes": len(list(Path(out).glob("_actor-*")))}) + "\n"
    )


if __name__ == "__main__":
    main()
