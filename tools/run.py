"""One run of `qawl tag`: articles in, tags out, in order, in flat memory, with all cores busy."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from models.engines.onnx import usable_cores
from models.errors import ConfigError, DataError
from models.tagger import EngineName
from tools import readers, writers
from tools.articles import Article, Bad
from tools.journal import Checkpoint, Journal, journal_path
from tools.progress import Meter
from tools.readers import STDIN, Columns
from tools.table import TableWriter
from tools.tag import Format
from tools.where import Test, parse
from tools.workers import Asked, Local, Remote, Reply, Worker, in_order
from tools.writers import Writer

_BATCH_ARTICLES = 32
_BATCH_CHARACTERS = 200_000
"""A batch: enough windows of each length to fill the engine's batches, small enough to lose little when killed."""
_CALLS = 4
"""Calls to a service at once."""

Item = Article | Bad


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What `qawl tag` was asked to do; the fields are its options."""

    inputs: tuple[str, ...]
    targets: tuple[str, ...] = ()
    where: str | None = None
    output: Path | None = None
    format: Format | None = None
    text_column: str = "text"
    id_column: str = "id"
    title_column: str = "title"
    target_column: str = "target"
    source_column: str = "source"
    default_target: bool = False
    context: bool = True
    scores: bool = False
    fail_fast: bool = False
    overwrite: bool = False
    quiet: bool = False
    bundle: Path | None = None
    engine: EngineName = "onnx"
    precision: Literal["fp32", "int8"] = "fp32"
    threads: int | None = None
    url: str | None = None
    key: str | None = None

    @property
    def columns(self) -> Columns:
        """Which fields of a row hold what."""
        return Columns(
            text=self.text_column,
            id=self.id_column,
            title=self.title_column,
            target=self.target_column,
            source=self.source_column,
        )

    @property
    def asked(self) -> Asked:
        """What holds for all articles."""
        return Asked(targets=self.targets, default_target=self.default_target, context=self.context, scores=self.scores)

    @property
    def out(self) -> Format:
        """The format of the output."""
        if self.format is not None:
            return self.format
        if self.output is None:
            return Format.TABLE if sys.stdout.isatty() else Format.JSONL
        suffix = self.output.suffix.lstrip(".")
        if suffix not in [form.value for form in Format]:
            raise ConfigError(f"-o {self.output}: end it in .jsonl, .csv, .parquet or .html, or say --format")
        return Format(suffix)


def run(job: Job) -> int:
    """Tag everything; returns the exit code.

    Raises:
        QawlError, ApiError: the run cannot start, or not go on.

    """
    files = readers.find(job.inputs)
    if job.where is not None:
        # Before anything is loaded; the bundle's own claim types are checked once they are known.
        parse(job.where)
    writer = writer_for(job, job.output)
    _check_output(job, files)
    worker = worker_for(job, files)
    return Run(job, files, worker, writer, _journal(job, files, worker)).whole()


def worker_for(job: Job, files: Sequence[Path]) -> Worker:
    """A service, or the Tagger: one thread a core, or all cores on one batch when `files` make only one."""
    if job.url is not None:
        from qawl import Client

        return Remote(Client(job.url, key=job.key), job.asked)
    return Local.load(job.bundle, job.engine, job.precision, _cores(job) // _workers(job, files), job.asked)


def writer_for(job: Job, output: Path | None) -> Writer:
    """The writer of the job's format; None writes to standard output."""
    if output is not None and not output.parent.is_dir():
        raise ConfigError(f"-o {output}: no such folder: {output.parent}")
    match job.out:
        case Format.TABLE:
            if output is not None:
                raise ConfigError("--format table: is for the terminal; leave out -o")
            return TableWriter()
        case Format.JSONL:
            return writers.jsonl(output)
        case Format.CSV:
            return writers.csv_writer(output, max(len(job.targets), 1))
        case Format.PARQUET:
            if output is None:
                raise ConfigError("--format parquet: needs a file: -o tags.parquet")
            return writers.ParquetWriter(output)
        case Format.HTML:
            return writers.html(output, job.targets)


class Run:
    """The state of a run: what it reads and writes, and how far it is (`done`)."""

    def __init__(self, job: Job, files: list[Path], worker: Worker, writer: Writer, journal: Journal | None) -> None:
        self._job, self._files, self._worker, self._writer, self._journal = job, files, worker, writer, journal
        self._keep: Test | None = parse(job.where, worker.types) if job.where is not None else None
        self.done = Checkpoint()
        self._noted = time.monotonic()

    def whole(self) -> int:
        """Everything, from where an earlier run was killed."""
        self._resume()
        people = sys.stderr.isatty() and not self._job.quiet
        to_terminal = self._job.output is None and sys.stdout.isatty()
        try:
            with Meter(self._files, show=people and not to_terminal, summary=people) as meter:
                if not self.done.done:
                    stopped = self._tag(meter)
                    if stopped is not None:
                        return stopped
            self._writer.finish()
        finally:
            self._writer.close()
        if self._journal is not None:
            self._journal.remove()
        meter.close(self.done.bad)
        return 1 if self.done.bad else 0

    def _resume(self) -> None:
        if self._journal is None:
            return
        before = None if self._job.overwrite else self._journal.resume()
        if before is None:
            self._journal.start()
            return
        self.done = before
        self._writer.resume(before.position)
        if not self._job.quiet:
            sys.stderr.write(f"qawl: going on after {before.articles:,} articles\n")

    def _tag(self, meter: Meter) -> int | None:
        """Tag what is left; the exit code if it stopped before the end, with what is done noted."""
        threads = _CALLS if self._job.url is not None else _workers(self._job, self._files)
        items = readers.read(self._files, self._job.columns, self.done.place)
        try:
            for batch, results in in_order(self._answer, batches(items), threads):
                for item, result in zip(batch, results, strict=True):
                    if not self._take(item, result, meter):
                        self._note()
                        return 1
                if time.monotonic() - self._noted > self._writer.interval:
                    self._note()
        except (KeyboardInterrupt, Exception) as error:
            self._note()
            if not isinstance(error, KeyboardInterrupt):
                raise
            meter.report("qawl: stopped; repeat the command to go on from here" if self._journal else "qawl: stopped")
            return 130
        self._note(done=True)
        return None

    def _answer(self, batch: list[Item]) -> list[Reply | str]:
        """Results of a batch, in the engine's thread; a bad row's is the reason it was not tagged."""
        replies = iter(self._worker.tag([item for item in batch if isinstance(item, Article)]))
        return [item.reason if isinstance(item, Bad) else next(replies) for item in batch]

    def _take(self, item: Item, result: Reply | str, meter: Meter) -> bool:
        """Write one article; False when the run has to stop here."""
        reason = result if isinstance(result, str) else None
        count = 0
        if isinstance(item, Article) and not isinstance(result, str):
            kept = self._filter(result)
            count = len(result["sentences"])
            try:
                if kept["sentences"]:
                    self._writer.write(item, kept)
            except DataError as error:
                reason = str(error)
        if reason is not None:
            meter.report(f"{item.place}: {reason}")
            if self._job.fail_fast:
                return False
        done = self.done
        self.done = replace(
            done,
            place=item.place,
            articles=done.articles + 1,
            sentences=done.sentences + count,
            bad=done.bad + (reason is not None),
        )
        meter.advance(item.place, count)
        return True

    def _filter(self, reply: Reply) -> Reply:
        if self._keep is None:
            return reply
        return reply | {"sentences": [s for s in reply["sentences"] if self._keep(s)]}

    def _note(self, *, done: bool = False) -> None:
        self._noted = time.monotonic()
        if self._journal is not None:
            self.done = replace(self.done, position=self._writer.checkpoint(), done=done)
            self._journal.write(self.done)


def batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Runs of items of about one batch's size, in order."""
    batch: list[Item] = []
    size = 0
    for item in items:
        batch.append(item)
        size += item.size if isinstance(item, Article) else 0
        if len(batch) == _BATCH_ARTICLES or size > _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _check_output(job: Job, files: list[Path]) -> None:
    if job.output is None or job.overwrite or not job.output.exists():
        return
    if STDIN in files or not journal_path(job.output).exists():
        raise ConfigError(f"{job.output}: is there already; --overwrite replaces it")


def _journal(job: Job, files: list[Path], worker: Worker) -> Journal | None:
    """The journal of a run that can be resumed: one from files to a file."""
    if job.output is None or STDIN in files:
        return None
    return Journal(job.output, described(job, files) | {"model": worker.model})


def described(job: Job, files: Sequence[Path]) -> dict[str, Any]:
    """What makes two runs the same job, under the names that the user gave."""
    stats = [path.stat() for path in files]
    return {
        "input": [[str(p.resolve()), s.st_size, s.st_mtime_ns] for p, s in zip(files, stats, strict=True)],
        "--target": list(job.targets),
        "--where": job.where,
        "--format": job.out.value,
        "columns": [job.text_column, job.id_column, job.title_column, job.target_column, job.source_column],
        "--default-target": job.default_target,
        "--context": job.context,
        "--scores": job.scores,
        "--bundle": str(job.bundle),
        "--engine": job.engine,
        "--precision": job.precision,
        "--url": job.url,
    }


def _cores(job: Job) -> int:
    return job.threads or usable_cores()


def _workers(job: Job, files: Sequence[Path]) -> int:
    """Batches at once: one a core, each on its own core, unless there is only one batch to run."""
    if job.engine == "torch":
        # One batch is tokenised while the GPU runs the other.
        return 2
    one = 0 < len(files) <= _BATCH_ARTICLES and all(path == STDIN or path.suffix in readers.TEXT for path in files)
    return 1 if one else _cores(job)
