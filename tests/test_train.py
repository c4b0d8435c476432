"""Training: exact losses, packing without side effects, the same weights twice, resume, two processes."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tomli_w
import torch
from pydantic import ValidationError

from models.apart import build_network
from models.bundle import Bundle
from models.engines import Heads
from models.engines.torch import load_network
from models.errors import ConfigError
from models.labels import SCHEME, STANCES, Stance
from models.network import Answers, Network, head_losses
from models.windows import WindowSpec
from tests.conftest import ROOT
from tests.tiny import tiny_run, write_tiny
from training.batching import Collator
from training.config import Encoder, Run, Windows, read_run
from training.encoders import resolve
from training.predict import predict
from training.reads import Reads
from training.train import Prepared, _averaged, fit_network, prepare, train

HEADS = Heads(len(SCHEME.types))


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    """The tiny run on a dozen articles, four steps long, without dropout."""
    run = tiny_run("sep", 4, 128)
    seeds = [corpus.model_copy(update={"path": str(ROOT / "seeds" / "articles.jsonl")}) for corpus in run.corpora]
    seeds = [corpus.model_copy(update={"splits": str(ROOT / "seeds" / "splits.json")}) for corpus in seeds]
    changes = {"batch": 4, "epochs": 0.4, "evaluations": 4, "precision": "fp32", "dropout": 0.1}
    run = run.model_copy(
        update={"corpora": seeds, "optimisation": run.optimisation.model_copy(update=changes)}, deep=True
    )
    whole = prepare(run, ROOT)
    return Prepared(run, whole.scheme, whole.source, whole.loaded, whole.train[:10], whole.dev[:3])


def weights(network: Network) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_a_network_trained_in_bf16_answers_in_fp32(prepared, tmp_path):
    optimisation = prepared.run.optimisation.model_copy(update={"precision": "bf16"})
    run = prepared.run.model_copy(update={"optimisation": optimisation})
    shorter = Prepared(run, prepared.scheme, prepared.source, prepared.loaded, prepared.train[:4], prepared.dev[:1])
    network = fit_network(shorter, shorter.train, 1, tmp_path)
    fresh = Network(shorter.source.build(0.0), HEADS, shorter.source.spec)
    fresh.load_state_dict(network.state_dict())
    (trained,), (loaded,) = (predict(one, shorter.dev) for one in (network, fresh))
    assert np.array_equal(trained.own, loaded.own)


def answers(**changes) -> Answers:
    rows = 3
    empty = {
        "types": torch.zeros(rows, len(SCHEME.types)),
        "types_weight": torch.zeros(rows, len(SCHEME.types)),
        "primary_allowed": torch.zeros(rows, len(SCHEME.types), dtype=torch.bool),
        "primary_weight": torch.zeros(rows),
        "voice_allowed": torch.zeros(rows, 3, dtype=torch.bool),
        "voice_weight": torch.zeros(rows),
        "stance_allowed": torch.zeros(rows, 4, dtype=torch.bool),
        "stance_weight": torch.zeros(rows),
    }
    return Answers(**{**empty, **changes})


def test_the_loss_of_a_set_is_the_log_of_its_mass():
    torch.manual_seed(0)
    logits = torch.randn(3, HEADS.width)
    allowed = torch.tensor([[True, False, False, False], [False, False, True, True], [False] * 4])
    weight = torch.tensor([1.0, 0.5, 0.0])
    losses = head_losses(logits, answers(stance_allowed=allowed, stance_weight=weight), HEADS)
    p = logits[:, HEADS.stance].softmax(-1)
    expected = -p[0, 0].log() - 0.5 * (p[1, 2] + p[1, 3]).log()
    assert losses["stance"][0].item() == pytest.approx(expected.item(), rel=1e-5)
    assert losses["stance"][1].item() == 1.5
    for name in ("types", "primary", "voice"):
        assert losses[name][0].item() == 0


def test_one_allowed_answer_is_cross_entropy():
    torch.manual_seed(1)
    logits = torch.randn(3, HEADS.width)
    gold = torch.tensor([0, 2, 1])
    allowed = torch.nn.functional.one_hot(gold, 3).bool()
    losses = head_losses(logits, answers(voice_allowed=allowed, voice_weight=torch.ones(3)), HEADS)
    expected = torch.nn.functional.cross_entropy(logits[:, HEADS.voice], gold, reduction="sum")
    assert losses["voice"][0].item() == pytest.approx(expected.item(), rel=1e-5)


def readings(prepared: Prepared, count: int, spec: WindowSpec | None = None) -> list:
    reads = Reads(prepared.train, spec or prepared.source.spec, prepared.run.crops, epochs=1, seed=3)
    return [reading for i in range(count) for reading in reads[i]][:count]


@pytest.mark.parametrize("one_row", [False, True])
@pytest.mark.parametrize(("apart", "pooling"), [(False, "sep"), (True, "sep"), (True, "mean")])
def test_packing_changes_neither_loss_nor_gradients(prepared, one_row, apart, pooling):
    torch.manual_seed(2)
    spec = replace(prepared.source.spec, apart=apart, pooling=pooling)
    network = build_network(prepared.source.build(0.0), HEADS, spec, dropout=0.0)
    found = readings(prepared, 12, spec)
    gradients = []
    for packing in (True, False):
        batch = Collator(spec, SCHEME.type_ids, 0.1, packing=packing, one_row=one_row)([found])
        if packing:
            assert (batch["inputs"]["ids"].shape[0] == 1) == one_row
            assert batch["inputs"]["ids"].shape[0] < len(found)
        network.zero_grad()
        losses = head_losses(network(**batch["inputs"]), Answers(**batch["answers"]), HEADS)
        sum(value / count.clamp(min=1) for value, count in losses.values()).backward()
        gradients.append({n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        assert torch.allclose(gradient, gradients[1][name], atol=1e-5), name


def test_a_pass_over_an_article_is_of_one_crop(prepared):
    spec = replace(prepared.source.spec, apart=True, token_types=2)
    reads = Reads(prepared.train, spec, prepared.run.crops, epochs=1, seed=3)
    assert len(reads) == len(prepared.train)
    sizes = set()
    for found in (reads[i] for i in range(len(reads))):
        (article,) = {id(r.window.article or r.window): r.window.article or r.window for r in found}.values()
        sizes.add(len(article.scored))
        for reading in found:
            assert reading.beside_target == (reading.window.article is not None)
            assert len(reading.sentences) == len(reading.stances) == len(article.scored)
            assert list(reading.window.sentences) == list(article.sentences)
    assert len(sizes) > 2


@pytest.mark.parametrize("beside_target", [False, True])
def test_a_step_that_lacks_a_head_still_reaches_every_weight(prepared, beside_target):
    """Processes that train together wait for the gradient of every weight."""
    spec = replace(prepared.source.spec, apart=True, token_types=2)
    network = build_network(prepared.source.build(0.0), HEADS, spec, dropout=0.0)
    found = [reading for reading in readings(prepared, 30, spec) if reading.beside_target == beside_target]
    batch = Collator(spec, SCHEME.type_ids, 0.1, packing=True, one_row=True)([found])
    losses = head_losses(network(**batch["inputs"]), Answers(**batch["answers"]), HEADS)
    sum(value for value, _ in losses.values()).backward()
    assert not [name for name, p in network.named_parameters() if p.grad is None]


def test_weights_that_started_alike_are_averaged(prepared):
    networks = []
    for seed in (1, 2, 3):
        torch.manual_seed(seed)
        networks.append(Network(prepared.source.build(0.0), HEADS, prepared.source.spec))
    before = [weights(network) for network in networks]
    averaged = _averaged(prepared, networks)
    assert averaged.averaged == 3
    assert averaged.scores.keys() == {"types", "voice", "stance", "mean"}
    for name, found in averaged.network.state_dict().items():
        assert torch.allclose(found, sum(one[name] for one in before) / 3, atol=1e-6)
    assert all(same(weights(network), one) for network, one in zip(networks, before, strict=True))


def test_readings_depend_on_seed_and_index_alone(prepared):
    first, again = readings(prepared, 9), readings(prepared, 9)
    for one, other in zip(first, reversed(again[::-1]), strict=True):
        assert (one.window.ids == other.window.ids).all()
        assert one.stances == other.stances


def test_types_are_learnt_beside_no_target_and_stances_beside_one(prepared):
    collate = Collator(prepared.source.spec, SCHEME.type_ids, 0.1, packing=True)
    for reading in readings(prepared, 40):
        known = collate([[reading]])["answers"]
        assert bool(known["types_weight"].any()) == (not reading.beside_target)
        assert bool(known["stance_weight"].any()) == reading.beside_target
        assert len(reading.window.ends) == len(reading.sentences) == len(reading.stances)


def test_targets_of_other_articles_are_unrelated(prepared):
    crops = prepared.run.crops.model_copy(update={"foreign": 3.0})
    reads = Reads(prepared.train, prepared.source.spec, crops, epochs=1, seed=0)
    everything = [reading for i in range(len(reads)) for reading in reads[i]]
    unrelated = frozenset({str(Stance.UNRELATED)})
    foreign = [r for r in everything if r.beside_target and set(r.stances) == {unrelated}]
    assert len(foreign) > len(everything) / 3


class Killed(Exception):
    pass


def rising(start: int = 0, *, dies_at: int | None = None):
    """A dev score that rises with every evaluation, so that the last weights are the best; or a sudden death."""
    scores = itertools.count(start)

    def score(network: Network) -> dict[str, float]:
        current = next(scores)
        if current == dies_at:
            raise Killed
        return {"mean": float(current)}

    return score


def losses(folder: Path) -> dict[int, float]:
    rows = map(json.loads, (folder / "log.jsonl").read_text(encoding="utf-8").splitlines())
    return {row["step"]: row["loss"] for row in rows if "loss" in row}


def test_the_same_seed_gives_the_same_weights(prepared, tmp_path):
    one, other = (fit_network(prepared, prepared.train, 5, tmp_path / name, score=rising()) for name in "ab")
    different = fit_network(prepared, prepared.train, 6, tmp_path / "c", score=rising())
    assert same(weights(one), weights(other))
    assert not same(weights(one), weights(different))


def test_a_killed_and_resumed_run_equals_the_uninterrupted_one(prepared, tmp_path):
    whole = fit_network(prepared, prepared.train, 5, tmp_path / "whole", score=rising())
    with pytest.raises(Killed):
        fit_network(prepared, prepared.train, 5, tmp_path / "part", score=rising(dies_at=2))
    done = losses(tmp_path / "part")
    resumed = fit_network(prepared, prepared.train, 5, tmp_path / "part", resume=True, score=rising(100))
    assert same(weights(whole), weights(resumed))
    assert len(done) < len(losses(tmp_path / "part"))
    assert losses(tmp_path / "part") == losses(tmp_path / "whole")


SCRIPT = """
import sys, torch
from pathlib import Path
from dataclasses import replace
from tests.conftest import ROOT
from tests.tiny import tiny_run, write_tiny
from training.train import Prepared, _averaged, fit_network, prepare, train
run = tiny_run("sep", 2, 128)
files = {"path": str(ROOT / "seeds/articles.jsonl"), "splits": str(ROOT / "seeds/splits.json")}
changes = {"batch": int(sys.argv[2]), "epochs": 0.4, "evaluations": 1, "precision": "fp32", "dropout": 0.0}
run = run.model_copy(update={
    "corpora": [corpus.model_copy(update=files) for corpus in run.corpora],
    "optimisation": run.optimisation.model_copy(update=changes)})
whole = prepare(run, ROOT)
few = Prepared(run, whole.scheme, whole.source, whole.loaded, whole.train[:10], whole.dev[:1])
torch.set_num_threads(1)
fit_network(few, few.train, 5, Path(sys.argv[1]), score=lambda network: {"mean": 0.0})
"""


def test_two_processes_lose_what_one_loses(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(SCRIPT, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    one, two = tmp_path / "one", tmp_path / "two"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=0", "--standalone"]
    for command in ([sys.executable, script, one, "8"], [*torchrun, script, two, "4"]):
        subprocess.run([str(part) for part in command], check=True, env=environment, cwd=ROOT, capture_output=True)
    logged = [losses(path) for path in (one, two)]
    assert logged[0].keys() == logged[1].keys()
    for step, loss in logged[0].items():
        assert logged[1][step] == pytest.approx(loss, abs=1e-5)


def test_the_spec_follows_the_encoder(prepared):
    assert prepared.source.spec == WindowSpec(
        cls=prepared.source.spec.cls,
        sep=prepared.source.spec.sep,
        pad=prepared.source.spec.pad,
        max_tokens=128,
        max_target_tokens=48,
        token_types=4,
    )
    assert prepared.source.build().config.type_vocab_size == 4
    assert len(STANCES) == HEADS.stance.stop - HEADS.stance.start


def test_the_whole_config_is_checked_before_anything_is_loaded(tmp_path):
    good = (ROOT / "training" / "configs" / "debug.toml").read_text(encoding="utf-8")
    cases = {
        "epochs = 1.0": ("epochs = -1.0", "optimisation.epochs: -1.0"),
        "batch = 8": ("bach = 8", "optimisation.bach"),
        "max_target_tokens = 48": ("max_target_tokens = 300", "windows.max_target_tokens: 300"),
        'split = "dev"': ('split = "test"', "'dev'"),
        "[windows]": ("[encoder]\ntoken_types = 4\n[windows]\napart = true", "encoder.token_types: 4: windows.apart"),
    }
    path = Path(tmp_path / "run.toml")
    for old, (new, said) in cases.items():
        assert old in good
        path.write_text(good.replace(old, new), encoding="utf-8")
        with pytest.raises(ConfigError) as caught:
            read_run(path)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


def test_held_out_articles_calibrate_in_the_place_of_folds(prepared):
    corpora = [*prepared.run.corpora, prepared.run.corpora[1].model_copy(update={"split": "calibrate"})]
    held = Run.model_validate({**prepared.run.model_dump(), "corpora": [one.model_dump() for one in corpora]})
    assert (prepared.run.folds(), held.folds()) == (3, 0)
    optimisation = {**held.optimisation.model_dump(), "average": True}
    with pytest.raises(ValidationError, match=r"optimisation\.average: true: a run with a corpus of split 'calibrate'"):
        Run.model_validate({**held.model_dump(), "optimisation": optimisation})
    assert Run.model_validate({**held.model_dump(), "optimisation": optimisation, "seeds": [1, 2]}).folds() == 0


def two_seeds(folder: Path) -> dict:
    """A run of two seeds on a dozen articles, which goes on from a bundle and has articles to calibrate on."""
    bundle = write_tiny(folder / "tiny", pooling="mean", token_types=2, max_tokens=128)
    seeds = {"name": "seeds", "path": str(ROOT / "seeds" / "articles.jsonl"), "format": "canonical"}
    return {
        "name": "two",
        "version": "0",
        "output": str(folder / "out"),
        "licence": "Apache-2.0",
        "seeds": [1, 2],
        "encoder": {"path": str(bundle)},
        "windows": {"max_tokens": 128, "max_target_tokens": 48, "pooling": "mean"},
        "optimisation": {"epochs": 1.0, "batch": 8, "evaluations": 1, "average": True, "learning_rate": 3e-3},
        "corpora": [
            seeds | {"split": "train", "keep": ["p0"]},
            seeds | {"split": "dev", "keep": ["p10", "p11"]},
            seeds | {"name": "held", "split": "calibrate", "keep": ["p12", "p13"]},
        ],
    }


def test_seeds_trained_side_by_side_are_averaged_by_a_last_call(tmp_path):
    path = tmp_path / "run.toml"
    run = two_seeds(tmp_path)
    path.write_text(tomli_w.dumps(run), encoding="utf-8")
    work = tmp_path / "work"
    with pytest.raises(ConfigError, match=r"--seed 3: must be one of the seeds of .*run\.toml: 1, 2"):
        train(path, work=work, seed=3)
    assert [train(path, work=work, seed=seed) for seed in (1, 2)] == [None, None]
    assert not (tmp_path / "out").exists()
    stamps = {file: file.stat().st_mtime_ns for file in work.rglob("model.safetensors")}
    assert {file.parent.parent.name for file in stamps} == {"seed-1", "seed-2"}
    bundle = train(path, work=work, resume=True)
    assert bundle is not None
    assert {file: file.stat().st_mtime_ns for file in stamps} == stamps
    assert bundle.manifest.metrics["seeds"]["mean"]["sd"] > 0
    scratch = run | {"encoder": {"scratch": {"layers": 1, "hidden": 32, "heads": 2, "intermediate": 64}}}
    path.write_text(tomli_w.dumps(scratch), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"optimisation\.average: true: seeds start alike only where encoder\.path"):
        train(path, work=work)


@pytest.mark.parametrize("apart", [False, True])
def test_a_bundle_is_gone_on_from(tmp_path, apart):
    folder = write_tiny(tmp_path / "tiny", pooling="mean", token_types=4, max_tokens=128)
    bundle = Bundle.load(folder)
    encoder = Encoder(path="tiny")
    source = resolve(encoder, Windows(max_tokens=128, max_target_tokens=48, apart=apart), tmp_path, [])
    types = 2 if apart else 4
    assert source.spec == replace(bundle.windows, pooling="sep", apart=apart, token_types=types)
    assert source.name == bundle.manifest.encoder
    network = build_network(source.build(0.1), Heads(3), source.spec)
    assert network.encoder.config.hidden_dropout_prob == 0.1
    source.start_heads(network)
    known, found = load_network(bundle).state_dict(), network.state_dict()
    # Other claim types have heads of their own, and so has a stance that is read apart; all else is the bundle's.
    kinds = "encoder.embeddings.token_type_embeddings.weight"
    assert torch.equal(found.pop(kinds), known.pop(kinds)[:types])
    others = {name.split(".")[0] for name in found if name not in known or not torch.equal(found[name], known[name])}
    assert others == {"types", "primary"} | ({"pair", "alignment"} if apart else set())
    with pytest.raises(ConfigError, match=r"encoder\.normaliser: plain: the bundle .* reads text of arabert-v02"):
        resolve(Encoder(path="tiny", normaliser="plain"), Windows(max_tokens=128), tmp_path, [])
    with pytest.raises(ConfigError, match=r"windows\.max_tokens: 512: .*tiny reads at most 128"):
        resolve(encoder, Windows(), tmp_path, [])


def test_a_runs_own_claim_types_take_the_place_of_ours(tmp_path):
    good = (ROOT / "training" / "configs" / "debug.toml").read_text(encoding="utf-8")
    own = 'id = "rumour"\narabic = "شائعة"\nenglish = "Rumour"\ndefinition = "What nobody stands up for."\n'
    (tmp_path / "run.toml").write_text(
        f'{good}\n[[types]]\n{own}\n[[types]]\n{own.replace("rumour", "leak")}definition_ar = "ما تسرّب."\n'
        'example = "تسرّب الخبر."\ncheckable = true\n',
        encoding="utf-8",
    )
    scheme = read_run(tmp_path / "run.toml").scheme()
    assert scheme.type_ids == ("rumour", "leak")
    assert [label.definition_ar for label in scheme.types] == ["", "ما تسرّب."]
    assert scheme.checkable == ("leak",)
    assert (scheme.voices, scheme.stances) == (SCHEME.voices, SCHEME.stances)
    assert type(scheme).from_json(scheme.to_json()) == scheme
