"""What a run says of itself: its log on the terminal, and the plan of `--dry-run`."""

from __future__ import annotations

import logging
import resource
import sys
import tempfile
import time
from pathlib import Path

import tomli_w
import torch
from rich.console import Console
from rich.logging import RichHandler

from models.apart import build_network
from models.engines import Heads
from models.windows import windows
from training.config import Run, read_run
from training.reads import Reads
from training.train import Prepared, prepare, readings
from training.trainer import make_trainer, readings_a_step

PROBED_STEPS = 3


def announce() -> None:
    """Show the project's own log lines on stderr."""
    handler = RichHandler(console=Console(stderr=True), show_path=False, markup=False)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], format="%(message)s")
    for name in ("training", "models"):
        logging.getLogger(name).setLevel(logging.INFO)


def plan(path: Path) -> str:
    """The resolved config, the windows of the run, and the time and memory that a few real steps foretell."""
    run = read_run(path)
    prepared = prepare(run, path.parent)
    epochs = run.optimisation.epochs
    reads = readings(prepared, prepared.train, run.seeds[0])
    serving = sum(
        len(windows(article.sentences, target, prepared.source.spec))
        for article in prepared.train
        for target in (None, *article.targets)
    )
    seconds, parameters = _probe(prepared, reads)
    networks = len(run.seeds) + run.folds()
    steps = len(reads) // readings_a_step(run.optimisation)
    lines = [
        tomli_w.dumps(run.model_dump(exclude_none=True)),
        f"articles: {len(prepared.train)} train, {len(prepared.dev)} dev",
        f"windows: {serving} as serving reads the training articles; {len(reads)} readings in {epochs:g} epochs",
        f"encoder: {prepared.source.name}, {parameters / 1e6:.1f} M parameters with the heads",
        f"time: {seconds:.2f} s a step of {run.optimisation.batch} readings here, {steps} steps a network",
        f"networks: {networks} ({len(run.seeds)} seeds, {run.folds()} folds), "
        f"{seconds * steps * networks / 60:.0f} minutes in all",
        f"memory: {_peak() / 2**30:.1f} GiB at most in those {PROBED_STEPS} steps",
    ]
    if run.encoder.name is not None:
        lines.append(f"note: the hub's own checkpoint of {run.encoder.name} was not run by the authors of Qawl")
    return "\n".join(lines)


def _probe(prepared: Prepared, reads: Reads) -> tuple[float, int]:
    """Seconds a step, from a few real ones, and the number of parameters."""
    run: Run = prepared.run.model_copy(
        update={"optimisation": prepared.run.optimisation.model_copy(update={"evaluations": 1, "patience": None})}
    )
    source = prepared.source
    network = build_network(source.build(), Heads(len(prepared.scheme.types)), source.spec, run.optimisation.dropout)
    parameters = sum(p.numel() for p in network.parameters())
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(run, network, reads, lambda _: {run.optimisation.metric: 0.0}, Path(folder), seed=0)
        trainer.args.max_steps = PROBED_STEPS
        trainer.args.save_strategy = trainer.args.eval_strategy = "no"
        trainer.args.load_best_model_at_end = False
        start = time.perf_counter()
        trainer.train()
        seconds = (time.perf_counter() - start) / PROBED_STEPS
    return seconds, parameters


def _peak() -> int:
    """Most bytes in use so far: the GPU's where there is one, else this process's."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
