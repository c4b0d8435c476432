"""The service over HTTP beside the engine it runs.

    python -m tests.bench.service [--bundle FOLDER] [--rounds 5] [--seconds 6] [--threads N]

Several client processes with keep-alive connections ask for headlines and articles in turn. `share` is what the
service tags in a closed loop as a share of what the Tagger tags in process, in interleaved rounds; then open loops
at 30, 70 and 100 % of that rate give p50 and p99. The clients run on the same machine: what they take is the
service's loss. Beside each open loop stands what one server without any loss would give, first come, first served
(`one_server`): waiting alone sets p99 and p50 apart. The last line is JSON.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import typer

from models.bundle import SHIPPED
from models.engines.onnx import usable_cores
from models.tagger import Tagger
from tests.bench.measure import ROOT, clock, machine, progress, quantiles, report
from tests.bench.mix import mixed
from tests.bench.queueing import first_come
from tests.service.process import Server, environment, running

Records = list[tuple[int, float, int]]
LOADS = (0.3, 0.7, 1.0)


def main(
    bundle: Path = SHIPPED,
    rounds: int = 5,
    seconds: float = 6.0,
    processes: int = 2,
    connections: int = 8,
    threads: int = usable_cores(),
) -> None:
    """Measure the service and print one line of JSON."""
    tagger = Tagger.load(bundle, threads=threads)
    documents = list(mixed(64, 1))
    count = sum(len(d.sentences or ()) for d in documents)
    raw: list[float] = []
    closed: list[float] = []
    records: Records = []
    busy = 0.0
    started = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), QAWL_BUNDLE=bundle.resolve(), QAWL_THREADS=threads, QAWL_LOG_LEVEL="WARNING") as server,
    ):
        ready = time.perf_counter() - started
        for number in range(rounds + 1):
            rate = count / clock(lambda: tagger.tag(documents))
            found, spent = load(server, seconds, processes, connections)
            if number:
                raw.append(rate)
                closed.append(sum(n for n, _, _ in found) / spent)
                records += found
                busy += spent
            progress(f"round {number} of {rounds}")
        requests = len(records) / busy
        # What each document takes alone, scaled so that the closed loop's rate is the server's limit.
        alone = [clock(partial(tagger.tag, [document])) for document in documents]
        scale = len(alone) / sum(alone) / requests
        sizes = [len(document.sentences or ()) for document in documents]
        loads = {}
        for share in LOADS:
            found, _ = load(server, 3 * seconds, processes, 4 * connections, share * requests)
            loads[f"{share:.0%}"] = {"requests_per_s": round(share * requests, 1), **summary(found)}
            if share < 1:
                ideal = first_come([seconds_ * scale for seconds_ in alone], share * requests)
                loads[f"{share:.0%}"]["one_server"] = summary([(sizes[i], spent, 200) for i, spent in ideal])
            progress(f"{share:.0%} load")
            records += found
        rss = server.rss() >> 20
    report(
        {
            "share": round(statistics.median(c / r for c, r in zip(closed, raw, strict=True)), 3),
            "sentences_per_s": {
                "engine": round(statistics.median(raw), 1),
                "rest": round(statistics.median(closed), 1),
            },
            "p99_over_p50_at_70": loads["70%"]["articles"]["p99_over_p50"],
            "loads": loads,
            "errors": sum(status != 200 for _, _, status in records),
            "requests": len(records),
            "ready_s": round(ready, 2),
            "rss_mib": rss,
            "bundle": tagger.bundle.manifest.name,
            "rounds": rounds,
            "processes": processes,
            "connections": connections,
            "threads": threads,
            "machine": machine(),
        }
    )


def load(
    server: Server, seconds: float, processes: int, connections: int, rate: float | None = None
) -> tuple[Records, float]:
    """Let client processes ask for some seconds; what each request took, and the seconds until the last answer."""
    clients = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.bench.client", server.url),
                *map(str, (connections // processes, seconds, seed)),
                *([str(rate / processes)] if rate else []),
            ],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
        )
        for seed in range(processes)
    ]
    found: Records = []
    longest = 0.0
    for client in clients:
        output, _ = client.communicate()
        result = json.loads(output)
        found += [(n, spent, status) for n, spent, status in result["records"]]
        longest = max(longest, result["seconds"])
    return found, longest


def summary(records: Records) -> dict[str, Any]:
    """Latencies in milliseconds of headlines, of articles and of both."""
    kinds = {
        "headlines": [spent for n, spent, _ in records if n == 1],
        "articles": [spent for n, spent, _ in records if n > 1],
        "all": [spent for _, spent, _ in records],
    }
    result: dict[str, Any] = {}
    for kind, seconds in kinds.items():
        found = quantiles(seconds)
        result[kind] = {**found, "p99_over_p50": round(found["p99"] / found["p50"], 2)}
    return result


if __name__ == "__main__":
    typer.run(main)
