"""`qawl export`: a bundle's ONNX networks anew from its weights."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from models import bundle as bundles
from models.bundle import ONNX, REQUIRED, Bundle
from models.engines.torch import load_network
from training.data import load, source_of
from training.evaluate import SEEDS
from training.export import export_onnx, quantise
from training.gate import Gate, int8_gate
from training.package import check_parity
from training.reads import encode_articles

KEPT = tuple(name for name in REQUIRED if name != ONNX["fp32"])


def reexport(path: Path, on: Sequence[Path]) -> tuple[Bundle, Gate]:
    """Export fp32 (logits equal to torch's) and int8 (kept only if it passes its gate) and rewrite the bundle.

    The gate is held on the labelled articles of `on`, the seeds' test part if none is named.

    Raises:
        BundleError: the bundle cannot be loaded, or the exported network differs from torch's.

    """
    bundle = Bundle.load(path)
    fields = bundle.manifest.fields()
    network = load_network(bundle)
    with tempfile.TemporaryDirectory() as folder:

        def write_draft(target: Path) -> None:
            for name in KEPT:
                shutil.copyfile(bundle.path / name, target / name)
            export_onnx(network, target / ONNX["fp32"])
            check_parity(network, target / ONNX["fp32"])
            quantise(target / ONNX["fp32"], target / ONNX["int8"])

        draft = bundles.save(Path(folder) / bundle.path.resolve().name, fields, write_draft)
        labelled = [a for p in on or [SEEDS] for a in load(source_of(p.resolve()), Path()).articles]
        articles = encode_articles(labelled, bundle.tokenizer, bundle.normalise)
        exact, small = (draft.path / ONNX[precision] for precision in ("fp32", "int8"))
        gate = int8_gate(exact, small, bundle.windows, articles, bundle.manifest.calibration, bundle.scheme)
        fields["metrics"] = {**fields["metrics"], "int8": gate.figures()}

        def write(target: Path) -> None:
            for name in draft.manifest.files:
                if name != ONNX["int8"] or gate.passed:
                    shutil.copyfile(draft.path / name, target / name)

        return bundles.save(bundle.path.resolve(), fields, write), gate
