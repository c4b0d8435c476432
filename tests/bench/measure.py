"""What the benchmarks share: interleaved rounds, the machine's matrix rate, useful work, quantiles."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from models.engines.onnx import usable_cores
from models.windows import Window, WindowSpec, blocks

ROOT = Path(__file__).resolve().parents[2]


def interleave(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each contender in each round: all of them take turns, after one round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, work in contenders.items():
            spent = clock(work)
            if number:
                seconds[name].append(spent)
        progress(f"round {number} of {rounds}")
    return seconds


def clock(work: Callable[[], object]) -> float:
    """Seconds of wall time that a piece of work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def ratio(base: Sequence[float], other: Sequence[float]) -> float:
    """How many times faster `other` is: the median of the rounds' own ratios."""
    return round(statistics.median(a / b for a, b in zip(base, other, strict=True)), 3)


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50 and p99 in milliseconds."""
    ordered = sorted(seconds)
    return {f"p{q}": round(1000 * ordered[min(len(ordered) - 1, len(ordered) * q // 100)], 2) for q in (50, 99)}


def matrix_work(side: int = 1024, repeats: int = 4) -> tuple[Callable[[], object], float]:
    """Square fp32 matrix products on torch's threads, and their floating-point operations."""
    # Only this needs torch: whoever measures memory should not carry it.
    import torch

    a, b = torch.randn(side, side), torch.randn(side, side)

    def work() -> None:
        for _ in range(repeats):
            a @ b

    return work, repeats * 2.0 * side**3


def useful_flops(config: Mapping[str, Any], spec: WindowSpec, windows: Sequence[Window]) -> dict[str, float]:
    """Operations of the encoder's matrix products on windows without padding.

    `network` is every layer at every token of every window; `done` leaves out what Qawl does not compute: in the last
    layer all but keys and values of tokens that are not read; or, where target and article are read apart, every
    block but once.
    """
    hidden, inner, layers = (int(config[f"{n}"]) for n in ("hidden_size", "intermediate_size", "num_hidden_layers"))

    def whole(length: int) -> float:
        return length * (8 * hidden**2 + 4 * hidden * inner) + 4 * length**2 * hidden

    total = done = 0.0
    for window in windows:
        length = window.tokens
        every = spec.pooling == "mean" and not window.beside
        reads = 1 + (int(window.ends[-1] - window.starts[0]) if every else len(window.scored))
        last = length * 4 * hidden**2 + reads * (4 * hidden**2 + 4 * hidden * inner + 4 * length * hidden)
        total += layers * whole(length)
        done += (layers - 1) * whole(length) + last
    if spec.apart:
        read = {key: block for window in windows for key, block in blocks(window)}
        done = sum(layers * whole(block.tokens) for block in read.values())
    return {"network": total, "done": done}


def child(code: str, *arguments: str) -> dict[str, Any]:
    """Run Python code in a fresh process from the checkout; its last line is JSON."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def machine() -> dict[str, Any]:
    """What the figures were taken on, and how busy it was."""
    return {"cores": usable_cores(), "load": [round(x, 1) for x in os.getloadavg()], "cpu": _cpu()}


def progress(line: str) -> None:
    """Say on stderr how far it is."""
    print(line, file=sys.stderr, flush=True)


def report(result: Mapping[str, Any]) -> None:
    """The result: its last line is JSON."""
    print(json.dumps(result, ensure_ascii=False))


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    flags = info.read_text().split() if info.is_file() else []
    return " ".join(name for name in ("avx2", "avx512f", "avx512_vnni", "amx_int8") if name in flags)
