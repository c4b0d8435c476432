"""AraBERT's real shape through `configs/arabert.toml` and the whole way: trained, exported, served, packed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models.bundle import ONNX, Bundle
from models.engines import Heads
from models.labels import SCHEME
from models.network import Answers, Network, head_losses
from models.tagger import Tagger
from models.tags import Document
from service.build import build
from tests.service.process import TEXT, environment, running
from tests.test_arabert import config_for, save_checkpoint
from tests.tiny import save_uncalibrated
from training.batching import Collator
from training.config import read_run
from training.train import Prepared, prepare, readings

WINDOWS = 32
LONGEST = 32
"""Tokens; 12 layers of 768 in fp32 take a processor core a few seconds for 32 such windows."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("arabert")
    path = config_for(save_checkpoint(folder / "checkpoint", layers=12, form="safetensors"), folder)
    return prepare(read_run(path), folder)


@pytest.fixture(scope="module")
def losses_and_bundle(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[float], Path]:
    """The loss of each step on the same 32 windows until it has halved, and the bundle of the result."""
    run, spec = prepared.run, prepared.source.spec
    torch.manual_seed(0)
    network = Network(prepared.source.build(0.0), Heads(len(SCHEME.types)), spec, dropout=0.0)
    reads = readings(prepared, prepared.train, run.seeds[0])
    found = [r for i in range(len(reads)) for r in reads[i] if r.window.tokens <= LONGEST][:WINDOWS]
    assert len(found) == WINDOWS
    batch = Collator(spec, SCHEME.type_ids, run.loss.partial, packing=run.optimisation.packing)([found])
    heads = [p for name, p in network.named_parameters() if not name.startswith("encoder.")]
    # A random encoder needs a higher rate than a pretrained one; the heads' is the config's order of size.
    groups = [{"params": network.encoder.parameters(), "lr": 5e-5}, {"params": heads, "lr": 3e-3}]
    optimiser = torch.optim.AdamW(groups)
    losses: list[float] = []
    for _ in range(40):
        found_losses = head_losses(network(**batch["inputs"]), Answers(**batch["answers"]), Heads(len(SCHEME.types)))
        loss = sum(value / count.clamp(min=1) for value, count in found_losses.values())
        losses.append(loss.item())
        if losses[-1] <= losses[0] / 2:
            break
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    target = tmp_path_factory.mktemp("bundle") / "arabert"
    return losses, save_uncalibrated(target, run, prepared.source, prepared.loaded, network)


def test_the_loss_on_32_windows_halves(losses_and_bundle):
    losses, _ = losses_and_bundle
    assert losses[-1] <= losses[0] / 2


def test_it_serves_and_becomes_a_bento_with_the_same_answers(losses_and_bundle, tmp_path):
    """`write_network` has compared the exported logits with torch's already, or there would be no bundle."""
    _, path = losses_and_bundle
    assert (path / ONNX["fp32"]).stat().st_size > 400e6
    (tags,) = Tagger.load(path, threads=2).tag([Document(text=TEXT, targets=("أغلقت السلطات المعبر.",))])
    with running(tmp_path, QAWL_BUNDLE=path) as server:
        reply = server.tag(text=TEXT, targets=["أغلقت السلطات المعبر."])
    assert reply.json() == tags.to_json()
    bento = build(path, output=tmp_path / "bento")
    ask = "from models.bundle import SHIPPED, Bundle; print(Bundle.load(SHIPPED).fingerprint)"
    packed = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=bento / "src",
        env=environment(PYTHONPATH=bento / "src"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert packed.stdout.strip() == Bundle.load(path).fingerprint
