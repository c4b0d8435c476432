"""Minutes at saturation, then overload: `python -m tests.soak.soak [--bundle B] [--seconds 600] [--clients 32]`.

Prints one JSON object of figures; exits 1 if a promise of service/README.md is broken. `--save` keeps the figures in
figures.json, from where `make golden` takes them into service/README.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from models.bundle import SHIPPED, Bundle
from tests.service.process import TEXT, running
from tests.soak.load import Outcome, load
from training.revision import revision

MiB = 1024 * 1024
FIGURES = Path(__file__).with_name("figures.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=SHIPPED)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--save", action="store_true")
    given = parser.parse_args()
    figures = {**soak(given.bundle, given.seconds, given.clients), **overload(given.bundle, given.seconds / 10)}
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    if given.save:
        bundle = Bundle.load(given.bundle).identity()["name"]
        beyond = {name: value for name, value in figures.items() if name.startswith("overload")}
        save("overload", {"bundle": bundle, **beyond})
        save("soak", {"bundle": bundle, **{name: value for name, value in figures.items() if name not in beyond}})
    broken = [name for name, kept in promises(figures).items() if not kept]
    if broken:
        sys.exit(f"broken: {', '.join(broken)}")


def save(name: str, figures: dict[str, Any]) -> None:
    """Keep the figures of one command, with the commit and the day."""
    kept = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    kept[name] = {"commit": revision(), "day": date.today().isoformat(), **figures}
    FIGURES.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def promises(figures: dict[str, Any]) -> dict[str, bool]:
    """What must hold, by name."""
    return {
        "no reply but 200 under the limits": figures["not_200"] == 0,
        "memory is flat": figures["rss_growth_mib"] < 0.05 * figures["rss_mib"] + 10,
        "the same answer before and after": figures["answer_drift"] < 1e-4,
        "only 429 beyond the limits": figures["overload_other"] == 0,
        "goodput beyond the limits": figures["overload_goodput_share"] >= 0.9,
    }


def soak(bundle: Path, seconds: float, clients: int) -> dict[str, Any]:
    """So long at saturation, under the limits."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), QAWL_BUNDLE=bundle, **QUIET) as server:
        load(server, clients=clients, seconds=min(30.0, seconds / 10))
        before = server.tag(text=TEXT, scores=True).json()
        outcome = load(server, clients=clients, seconds=seconds)
        after = server.tag(text=TEXT, scores=True).json()
    third = max(1, len(outcome.rss) // 3)
    growth = statistics.mean(outcome.rss[-third:]) - statistics.mean(outcome.rss[:third])
    return {
        "seconds": round(outcome.elapsed),
        "clients": clients,
        "requests": sum(outcome.statuses.values()),
        "not_200": sum(n for status, n in outcome.statuses.items() if status != 200),
        "sentences_per_second": round(outcome.goodput, 1),
        "p50_ms": round(outcome.quantile(0.5) * 1000),
        "p99_ms": round(outcome.quantile(0.99) * 1000),
        "rss_mib": round(max(outcome.rss) / MiB),
        "rss_growth_mib": round(growth / MiB, 1),
        "answer_drift": drift(before, after),
    }


def overload(bundle: Path, seconds: float) -> dict[str, Any]:
    """Three times the clients that fit: the goodput beside that of as many as do."""
    limits = {"QAWL_MAX_REQUESTS": 16, **QUIET}
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), QAWL_BUNDLE=bundle, **limits) as server:
        load(server, clients=16, seconds=seconds / 5)
        # The two in turns, so that a busy machine slows both alike.
        fitting: list[Outcome] = []
        beyond: list[Outcome] = []
        for _ in range(10):
            fitting.append(load(server, clients=16, seconds=seconds / 10))
            beyond.append(load(server, clients=48, seconds=seconds / 10, patient=True))
    capacity = statistics.median(one.goodput for one in fitting)
    goodput = statistics.median(one.goodput for one in beyond)
    return {
        "overload_refused": sum(one.statuses[429] for one in beyond),
        "overload_other": sum(n for one in beyond for status, n in one.statuses.items() if status not in (200, 429)),
        "overload_goodput_share": round(goodput / capacity, 3),
    }


def drift(before: dict[str, Any], after: dict[str, Any]) -> float:
    """The largest difference of a probability between two answers."""
    return max(
        abs(float(a["type_scores"][label]) - float(b["type_scores"][label]))
        for a, b in zip(before["sentences"], after["sentences"], strict=True)
        for label in a["type_scores"]
    )


QUIET: dict[str, Any] = {"QAWL_LOG_LEVEL": "WARNING"}

if __name__ == "__main__":
    main()
