"""Whole articles through Qawl, through two transformers pipelines, and through ONNX Runtime pair by pair.

    python -m tests.bench.engine [--bundle FOLDER] [--rounds 5] [--threads N] [--no-arabert]

The last line is JSON. `ratios` say how many times faster than the pipelines at their best batch size: medians of
interleaved rounds, text in and tags out, the shipped bundle first, then AraBERT's shape with random weights.
"""

from __future__ import annotations

import itertools
import json
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer

from models.bundle import SHIPPED, STANCE, Bundle
from models.engines import Engine, Heads, Logits
from models.engines.onnx import OnnxEngine, usable_cores
from models.engines.torch import TorchEngine, load_network
from models.tagger import Tagger
from models.tags import Document
from models.windows import Window
from tests.bench.baseline import Pipelines
from tests.bench.bundles import random_bundle
from tests.bench.measure import child, clock, interleave, machine, matrix_work, quantiles, ratio, report, useful_flops
from tests.bench.mix import articles, turned
from training.export import quantise

LOAD = """
import json, re, sys, time
started = time.perf_counter()
from pathlib import Path
from models.tagger import Tagger
from models.tags import Document
tagger = Tagger.load(Path(sys.argv[1]), precision=sys.argv[2], threads=int(sys.argv[3]))
loaded = time.perf_counter() - started
tagger.tag([Document(sentences=tuple(json.loads(sys.argv[4])), targets=(json.loads(sys.argv[4])[0],))])
# The peak of getrusage is inherited from the process that started this one; the kernel's own is not.
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
print(json.dumps({"load_s": round(loaded, 2), "peak_rss_mib": peak // 1024}))
"""


def main(
    bundle: Path = SHIPPED,
    rounds: int = 5,
    articles_: int = typer.Option(8, "--articles", help="articles of 20 sentences, one target each"),
    threads: int = usable_cores(),
    arabert: bool = True,
) -> None:
    """Measure the engine and print one line of JSON."""
    result = measure(bundle, rounds, articles_, threads)
    if arabert:
        with tempfile.TemporaryDirectory() as folder:
            made = random_bundle("arabert", Path(folder) / "arabert").path
            result["arabert"] = measure(made, rounds, max(1, articles_ // 8), threads)
    report(result)


def measure(path: Path, rounds: int, count: int, threads: int) -> dict[str, Any]:
    """Everything that is measured of one bundle."""
    torch.set_num_threads(threads)
    bundle = Bundle.load(path)
    with tempfile.TemporaryDirectory() as folder:
        taggers = _taggers(bundle, threads, Path(folder))
        documents = list(articles(count, sentences=20, targets=1))
        pipelines = Pipelines(bundle, threads)
        sizes = pipelines.tune(documents[: max(1, count // 4)])
        matrix, matrix_flops = matrix_work()
        turns = itertools.count()
        alone = [replace(document, context=False) for document in documents]
        seconds = interleave(
            {
                "pipelines": lambda: pipelines.tag(documents),
                "pairs": lambda: taggers["pairs"].tag(alone),
                "fp32": lambda: taggers["fp32"].tag(turned(documents, turns)),
                "int8": lambda: taggers["int8"].tag(turned(documents, turns)),
                "matrix": matrix,
            },
            rounds,
        )
        windows = [w for document in documents for w in next(taggers["fp32"].steps(document))]
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        flops = useful_flops(config, bundle.windows, windows)
        rate = matrix_flops / statistics.median(seconds["matrix"])
        result: dict[str, Any] = {
            "ratios": {name: ratio(seconds["pipelines"], seconds[name]) for name in ("fp32", "int8")},
            "ratios_pair_by_pair": {name: ratio(seconds["pairs"], seconds[name]) for name in ("fp32", "int8")},
            "bundle": bundle.manifest.name,
            "encoder": bundle.manifest.encoder,
            "rounds": rounds,
            "threads": threads,
            "articles": count,
            "tokens_per_sentence": round(sum(map(_length, windows)) / (40 * count), 1),
            "sentences_per_s": {
                n: round(20 * count / statistics.median(s)) for n, s in seconds.items() if n != "matrix"
            },
            "gemm_gflops": round(rate / 1e9, 1),
            "gemm_share": {
                name: {kind: round(ratio_of(value, rate, seconds[name]), 3) for kind, value in flops.items()}
                for name in ("fp32", "int8")
            },
            "pipelines_s_by_batch": sizes,
            "differences": differences(bundle, taggers, windows),
            "latency_ms": {name: latencies(taggers[name], documents, rounds) for name in ("fp32", "int8")},
            "process": {"fp32": child(LOAD, str(path), "fp32", str(threads), json.dumps(documents[0].sentences))},
            "machine": machine(),
        }
        if "model.int8.onnx" in bundle.manifest.files:
            result["process"]["int8"] = child(LOAD, str(path), "int8", str(threads), json.dumps(documents[0].sentences))
    return result


def ratio_of(flops: float, rate: float, seconds: Sequence[float]) -> float:
    """The share of the machine's matrix rate at which that work was done."""
    return flops / statistics.median(seconds) / rate


def differences(bundle: Bundle, taggers: dict[str, Tagger], windows: list[Window]) -> dict[str, Any]:
    """Largest difference from torch (fp32), and how often int8's answers are fp32's, by head."""
    heads = Heads(len(bundle.scheme.types))
    engines: tuple[Engine, ...] = (
        taggers["fp32"].engine,
        taggers["int8"].engine,
        TorchEngine(load_network(bundle), "cpu"),
    )
    own, beside = [w for w in windows if not w.beside], [w for w in windows if w.beside]

    def read(engine: Engine) -> dict[str, Logits]:
        alone, paired = np.concatenate(engine.run(own)), np.concatenate(engine.run(beside))
        found = {name: alone[:, getattr(heads, name)] for name in ("types", "primary", "voice")}
        return {**found, "stance": paired[:, heads.stance]}

    exact, near, reference = map(read, engines)
    same = {name: (exact[name].argmax(axis=1) == near[name].argmax(axis=1)).mean() for name in exact}
    same["types"] = ((exact["types"] > 0) == (near["types"] > 0)).mean()
    return {
        "fp32_torch_max": max(float(np.abs(exact[name] - reference[name]).max()) for name in exact),
        "int8_fp32_max": round(max(float(np.abs(exact[name] - near[name]).max()) for name in exact), 4),
        "int8_same_answer": {name: round(float(value), 4) for name, value in same.items()},
    }


def latencies(tagger: Tagger, documents: list[Document], rounds: int) -> dict[str, dict[str, float]]:
    """p50 and p99 of one article of 20 sentences and of one sentence, one at a time, one target each."""
    single = [replace(d, sentences=(sentence,)) for d in documents for sentence in (d.sentences or ())[:10]]
    return {
        "article": quantiles([clock(partial(tagger.tag, [d])) for _ in range(rounds) for d in documents]),
        "sentence": quantiles([clock(partial(tagger.tag, [d])) for _ in range(rounds) for d in single]),
    }


def _taggers(bundle: Bundle, threads: int, folder: Path) -> dict[str, Tagger]:
    """The Tagger at both precisions, and one that runs every window alone, as plain ONNX Runtime code would."""
    small = bundle.path / "model.int8.onnx"
    if not small.is_file():
        # A bundle whose int8 did not pass its gate: the speed is measured all the same.
        small = folder / "model.int8.onnx"
        quantise(bundle.path / "model.onnx", small)
        if bundle.windows.apart:
            shutil.copyfile(bundle.path / STANCE, folder / STANCE)
    exact, spec = bundle.path / "model.onnx", bundle.windows
    return {
        "fp32": Tagger(bundle, OnnxEngine(exact, spec, threads)),
        "int8": Tagger(bundle, OnnxEngine(small, spec, threads, alone=True)),
        "pairs": Tagger(bundle, OnnxEngine(exact, spec, threads, alone=True)),
    }


def _length(window: Window) -> int:
    return window.tokens


if __name__ == "__main__":
    typer.run(main)
