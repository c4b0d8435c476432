"""`qawl tag --ray ADDRESS`: the same run over a Ray cluster, input file by input file.

Every node needs this checkout at the same path, and the inputs and the output folder on storage that all nodes see.
An actor keeps a warm bundle and tags one unit of work (a table file, or a few hundred txt files) at a time into a
part of its own. A part gets its name when it is whole, and then a note in `_done`: a unit without one is done again,
whoever was at it when its node went away, so nothing is lost and nothing is twice.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import ConfigError
from tools import readers
from tools.progress import counted
from tools.readers import STDIN
from tools.run import Job, Run, described, worker_for, writer_for
from tools.tag import Format
from tools.workers import Worker

_TEXTS = 256
"""Small txt files that make one unit."""
_CORES = 4
"""Cores of an actor: its threads share one bundle, so fewer actors take less memory."""
MakeWorker = Callable[[Job, Sequence[Path]], Worker]


@dataclass(frozen=True, slots=True)
class Unit:
    """Files that are tagged into one part; `number` is fixed for the life of the output folder."""

    number: int
    files: tuple[Path, ...]

    def part(self, output: Path, suffix: str) -> Path:
        """Where its tags are."""
        return output / f"part-{self.number:05}.{suffix}"

    def note(self, output: Path) -> Path:
        """The note that its part is whole."""
        return output / "_done" / f"{self.number:05}.json"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a unit; `problems` are its bad rows, each with its place."""

    articles: int
    sentences: int
    problems: list[str]


def run_on_ray(job: Job, address: str, *, make_worker: MakeWorker = worker_for) -> int:
    """Tag everything on the cluster at `address` (auto, local, HOST:PORT, ray://…); returns the exit code.

    Raises:
        QawlError: the job cannot run on Ray, or its folder belongs to another job.

    """
    job = _ready(job)
    assert job.output is not None
    units = _units(job)
    todo = [unit for unit in units if not unit.note(job.output).exists()]
    if not job.quiet and len(todo) < len(units):
        sys.stderr.write(f"qawl: going on: {len(units) - len(todo)} of {len(units)} parts are done\n")
    if todo:
        _spread(job, todo, address, make_worker)
    shutil.rmtree(job.output / "_unfinished", ignore_errors=True)
    outcomes = [Outcome(**json.loads(unit.note(job.output).read_text(encoding="utf-8"))) for unit in units]
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    if not job.quiet:
        articles, sentences = sum(o.articles for o in outcomes), sum(o.sentences for o in outcomes)
        skipped = f", {len(problems):,} skipped" if problems else ""
        done = f"{counted(articles, 'article')}, {counted(sentences, 'sentence')}{skipped}"
        sys.stderr.write(f"{done} in {counted(len(units), 'part')}\n")
    return 1 if problems else 0


def _ready(job: Job) -> Job:
    """The job with what Ray needs settled."""
    if job.output is None:
        raise ConfigError("--ray: needs a folder: -o tags/")
    form = job.format or Format.JSONL
    if form not in (Format.JSONL, Format.CSV, Format.PARQUET):
        raise ConfigError(f"--ray: writes jsonl, csv or parquet, not {form.value}")
    if job.fail_fast:
        raise ConfigError("--ray: cannot --fail-fast; bad rows are named at the end")
    output = job.output.resolve()
    if output.is_file():
        raise ConfigError(f"-o {job.output}: is a file; --ray writes into a folder")
    if job.overwrite and (output / "_job.json").exists():
        shutil.rmtree(output)
    output.mkdir(parents=True, exist_ok=True)
    (output / "_done").mkdir(exist_ok=True)
    bundle = job.bundle.resolve() if job.bundle else None
    return replace(job, output=output, format=form, bundle=bundle)


def _units(job: Job) -> list[Unit]:
    """The units of the job, the same ones each time it is repeated."""
    files = readers.find(job.inputs)
    if STDIN in files:
        raise ConfigError("--ray: cannot read standard input")
    files = [path.resolve() for path in files]
    assert job.output is not None
    note = job.output / "_job.json"
    wanted = json.loads(json.dumps(described(job, files)))
    if note.exists():
        before = json.loads(note.read_text(encoding="utf-8"))
        if differs := [name for name in wanted if before.get(name) != wanted[name]]:
            raise ConfigError(
                f"{job.output}: belongs to a run with other {', '.join(differs)}; --overwrite starts afresh"
            )
    elif any(job.output.glob("part-*")):
        raise ConfigError(f"{job.output}: holds parts of no known run; choose another folder")
    else:
        _write(note, wanted)
    texts = [path for path in files if path.suffix in readers.TEXT]
    groups = [tuple(texts[i : i + _TEXTS]) for i in range(0, len(texts), _TEXTS)]
    groups += [(path,) for path in files if path.suffix not in readers.TEXT]
    return [Unit(number, group) for number, group in enumerate(groups)]


def _spread(job: Job, units: list[Unit], address: str, make_worker: MakeWorker) -> None:
    try:
        import ray
        import ray.data
        from ray.data import ActorPoolStrategy
    except ImportError as error:
        raise ConfigError('--ray needs Ray: pip install "qawl[bulk]"') from error
    if not ray.is_initialized():
        root = str(Path(__file__).resolve().parents[1])
        env = {"env_vars": {"PYTHONPATH": root}}
        try:
            ray.init(None if address == "local" else address, runtime_env=env, log_to_driver=False)
        except (ConnectionError, ValueError) as error:
            raise ConfigError(f"--ray {address}: no cluster there: {error}") from error
    ray.data.DataContext.get_current().enable_progress_bars = False
    nodes = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    cores = job.threads or max(1, min([_CORES, *(n for n in nodes if n)]))
    actors = max(1, sum(n // cores for n in nodes))
    started, done = time.monotonic(), 0
    items = [{"number": unit.number, "files": [str(path) for path in unit.files]} for unit in units]
    rows = ray.data.from_items(items, override_num_blocks=len(units)).map_batches(
        TagUnits,
        batch_size=None,
        fn_constructor_args=(replace(job, threads=cores), make_worker),
        num_cpus=cores,
        num_gpus=1 if job.engine == "torch" else None,
        compute=ActorPoolStrategy(size=min(actors, len(units)), max_tasks_in_flight_per_actor=2),
    )
    for row in rows.iter_rows():
        done += int(row["sentences"] >= 0)
        if sys.stderr.isatty() and not job.quiet:
            left = (time.monotonic() - started) / done * (len(units) - done)
            sys.stderr.write(f"\r{done} of {len(units)} parts, about {left / 60:,.0f} min left ")
    if sys.stderr.isatty() and not job.quiet:
        sys.stderr.write("\n")


class TagUnits:
    """An actor: a warm bundle, and the units that come."""

    def __init__(self, job: Job, make_worker: MakeWorker) -> None:
        self._job = job
        self._worker = make_worker(job, ())

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Tag the units of a batch; `sentences` of each."""
        pairs = zip(batch["number"], batch["files"], strict=True)
        units = [Unit(int(number), tuple(Path(file) for file in files)) for number, files in pairs]
        outcomes = [tag_unit(self._job, unit, self._worker) for unit in units]
        return {"number": batch["number"], "sentences": np.array([outcome.sentences for outcome in outcomes])}


def tag_unit(job: Job, unit: Unit, worker: Worker) -> Outcome:
    """Tag a unit into its part, all or nothing, and note it."""
    assert job.output is not None
    suffix = job.out.value
    unfinished = job.output / "_unfinished"
    unfinished.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=unfinished) as folder:
        # Whoever else may still be at this unit, on a node that was given up, has a folder of its own.
        own = Path(folder) / f"part.{suffix}"
        run = Run(replace(job, quiet=True), list(unit.files), worker, writer_for(job, own), None)
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            run.whole()
        os.replace(own, unit.part(job.output, suffix))
    outcome = Outcome(run.done.articles - run.done.bad, run.done.sentences, said.getvalue().splitlines())
    _write(unit.note(job.output), asdict(outcome))
    return outcome


def _write(path: Path, data: dict[str, Any]) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as stream:
        json.dump(data, stream, ensure_ascii=False)
    os.replace(stream.name, path)
