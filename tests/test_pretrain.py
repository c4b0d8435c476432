from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import tomli_w
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoModel, AutoTokenizer, BertModel

from models.errors import ConfigError, DataError
from models.labels import STANCES, Stance
from tests.tiny import write_tiny
from training.pretrain import pretrain, rate_at, stage_at
from training.pretrain_batches import Sampler, Vocabulary
from training.pretrain_config import PretrainConfig, Schedule, Stage
from training.pretrain_data import CLS, FIRST_WORD, MASK, SEP, Shard, prepare
from training.pretrain_electra import sample
from training.pretrain_model import PretrainModel
from training.pretrain_start import start_from_corpus
from training.pretrain_vectors import alternatives, variants, word_vectors

CONFIGS = Path(__file__).parent.parent / "training" / "configs"
AGREE, DISAGREE, DISCUSS, UNRELATED = (STANCES.index(stance) for stance in Stance)

CONFIG = """
[data]
shards = "shards"
vocabulary = 700
held_out_every = 10
[[data.sources]]
path = "{seeds}"
share = 1.0
[encoder]
layers = 2
hidden = 32
heads = 2
feed_forward = 64
positions = 96
[[stages]]
until = 0.5
length = 32
rows = 16
[[stages]]
until = 1.0
length = 96
rows = 4
stance_weight = 1.0
[schedule]
minutes = {minutes}
rate = 1e-2
[run]
output = "{output}"
threads = 1
log_every = 2
checkpoint_minutes = 0.1
part_mib = 1
"""


class Ticks:
    """A clock that goes on by a second a call, and stops the run after `limit` of them."""

    def __init__(self, limit: int | None = None) -> None:
        self.now, self.limit = 0, limit

    def __call__(self) -> float:
        self.now += 1
        if self.limit is not None and self.now > self.limit:
            raise KeyboardInterrupt
        return float(self.now)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pretrain")


@pytest.fixture(scope="module")
def write_config(folder: Path) -> Callable[..., Path]:
    def write(output: str = "run", minutes: float = 0.4, changes: Sequence[tuple[str, str]] = ()) -> Path:
        seeds = Path(__file__).parent.parent / "seeds" / "articles.jsonl"
        text = CONFIG.format(seeds=seeds, output=output, minutes=minutes)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = folder / f"{output}.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="module")
def data(write_config: Callable[..., Path]) -> tuple[Tokenizer, list[Shard], list[Shard]]:
    return prepare(PretrainConfig.load(write_config()).data)


@pytest.fixture(scope="module")
def encoder(write_config: Callable[..., Path]) -> Path:
    """The folder of a run of 24 updates, one a second."""
    return pretrain(write_config(), clock=Ticks())


@pytest.fixture(scope="module")
def sampler(data: tuple[Tokenizer, list[Shard], list[Shard]]) -> Sampler:
    tokenizer, train, _ = data
    size = tokenizer.get_vocab_size()
    pieces = [str(tokenizer.id_to_token(i)) for i in range(size)]
    frequency = np.bincount(train[0].tokens, minlength=size)
    vectors = word_vectors(train[0].tokens, size, 32, seed=0)
    vocabulary = Vocabulary(
        continues=torch.tensor([piece.startswith("##") for piece in pieces]),
        content=torch.from_numpy(frequency < 100),
        alternatives=torch.from_numpy(alternatives(pieces, vectors, frequency, 4)).long(),
        variants=torch.from_numpy(variants(pieces, frequency)).long(),
    )
    return Sampler(train, [1.0], vocabulary, 512, 4, torch.device("cpu"))


def log_of(encoder: Path, kind: str) -> list[dict[str, float]]:
    lines = (encoder.parent / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [line for line in map(json.loads, lines) if line["kind"] == kind]


def test_first_layer_starts_out_looking_at_the_neighbours():
    torch.manual_seed(0)
    config = PretrainConfig.load(CONFIGS / "pretrain-cpu.toml").encoder.bert(100)
    config._attn_implementation = "eager"
    model = BertModel(config, add_pooling_layer=False)
    model.train(mode=False)
    vectors = np.random.default_rng(0).standard_normal((100, 256), np.float32) / np.float32(16)
    start_from_corpus(model, vectors)
    with torch.no_grad():
        attention = model(torch.randint(8, 100, (1, 64)), output_attentions=True).attentions[0][0]
    for head, distance in enumerate((-1, 1, -2, 2)):
        means = {k: float(attention[head].diagonal(k).mean()) for k in range(-4, 5)}
        assert max(means, key=lambda k: means[k]) == distance
        assert means[distance] > 0.2


@pytest.mark.parametrize("stance_weight", [0.0, 1.0])
def test_the_fast_forward_pass_is_that_of_transformers(sampler: Sampler, stance_weight: float):
    stage = Stage(until=1.0, length=96, rows=3, stance_weight=stance_weight)
    batch = sampler.draw(stage, 3, torch.Generator().manual_seed(1))
    config = PretrainConfig.load(CONFIGS / "pretrain-debug.toml").encoder.model_copy(update={"positions": 512})
    model = PretrainModel(config.bert(1000), torch.float32).eval()
    with torch.no_grad():
        ours = model.encode(batch, batch.masked)
        inputs = {"token_type_ids": batch.types, "position_ids": batch.positions}
        theirs = model.encoder(batch.ids, **inputs).last_hidden_state
    index = batch.masked[:, :, None].expand(-1, -1, theirs.shape[-1])
    torch.testing.assert_close(ours, theirs.gather(1, index), rtol=1e-5, atol=1e-5)


def rows(sampler: Sampler, stage: Stage, count: int) -> Iterator[tuple[list[int], list[list[int]], list[list[bool]]]]:
    """Target, sentences and allowed stances of each row, with the masked words put back."""
    batch = sampler.draw(stage, count, torch.Generator().manual_seed(3))
    ids = batch.ids.scatter(1, batch.masked, batch.answers)
    for row, head, ends, allowed in zip(ids.tolist(), batch.heads.tolist(), batch.ends, batch.allowed, strict=True):
        places = [end for end in ends.tolist() if end]
        starts = [head, *places[:-1]]
        sentences = [row[start + 1 : end] for start, end in zip(starts, places, strict=True)]
        assert row[0] == CLS
        assert row[head] == SEP
        assert all(row[end] == SEP for end in places)
        yield row[1:head], sentences, allowed[: len(places)].tolist()


def test_synthetic_stances_follow_from_how_the_target_was_made(sampler: Sampler):
    stage = Stage(until=1.0, length=256, rows=1, masked=0.01, stance_weight=1.0)
    seen = set()
    copied, changed = [], []
    for target, sentences, allowed in rows(sampler, stage, 400):
        for sentence, stances in zip(sentences, allowed, strict=True):
            missing = sum(token not in sentence for token in target)
            if all(stances):
                continue
            assert target
            if stances[AGREE]:
                assert not stances[DISAGREE]
                seen.add(AGREE)
                copied.append(missing <= 0.5 * len(target))
            elif stances[DISAGREE]:
                seen.add(DISAGREE)
                changed.append(missing > 0)
            else:
                seen |= {i for i in (DISCUSS, UNRELATED) if stances[i]}
    assert seen == {AGREE, DISAGREE, DISCUSS, UNRELATED}
    # Not all: a headline says the same as the first sentence in words of its own.
    assert np.mean(copied) > 0.7
    assert np.mean(changed) > 0.97


def test_masking_hides_the_asked_share_and_no_special_token(sampler: Sampler):
    stage = Stage(until=1.0, length=64, rows=1, masked=0.25)
    batch = sampler.draw(stage, 200, torch.Generator().manual_seed(0))
    assert batch.masked.shape == (200, 16)
    assert bool((batch.answers >= FIRST_WORD).all())
    shown = batch.ids.gather(1, batch.masked)
    assert 0.75 < float((shown == MASK).float().mean()) < 0.85
    untouched = torch.ones_like(batch.ids, dtype=torch.bool).scatter(1, batch.masked, value=False)
    assert not bool((batch.ids[untouched] == MASK).any())


def test_token_types_tell_segments_and_shared_words(sampler: Sampler):
    stage = Stage(until=1.0, length=96, rows=1, stance_weight=1.0)
    batch = sampler.draw(stage, 50, torch.Generator().manual_seed(0))
    for ids, types, head in zip(batch.ids.tolist(), batch.types.tolist(), batch.heads.tolist(), strict=True):
        target, article = set(ids[: head + 1]), set(ids[head + 1 :])
        for place, (token, kind) in enumerate(zip(ids, types, strict=True)):
            word = token >= FIRST_WORD
            shared = word and token in (article if place <= head else target)
            assert kind == int(place > head) + 2 * int(shared)


def test_short_rows_train_every_position(sampler: Sampler):
    stage = Stage(until=1.0, length=64, rows=1)
    firsts = [int(sampler.draw(stage, 1, torch.Generator().manual_seed(i)).positions[0, 0]) for i in range(60)]
    assert firsts.count(0) > 15
    assert max(firsts) > 300
    assert max(firsts) + 64 <= 512


def test_rate_rises_stays_and_falls_to_zero():
    schedule = Schedule(minutes=1.0, rate=2.0, rise=0.1, fall=0.5)
    assert [rate_at(spent, schedule) for spent in (0.0, 0.05, 0.3, 0.75, 1.0)] == [0.0, 1.0, 2.0, 1.0, 0.0]


def test_stages_follow_the_budget():
    stages = [Stage(until=0.5, length=32, rows=1), Stage(until=1.0, length=64, rows=1)]
    assert [stage_at(spent, stages).length for spent in (0.0, 0.49, 0.5, 1.0)] == [32, 32, 64, 64]


def test_a_run_ends_with_its_budget_and_its_loss_falls(encoder: Path):
    lines = log_of(encoder, "train")
    assert (lines[-1]["step"], lines[-1]["minutes"]) == (24, 0.4)
    assert {line["length"] for line in lines} == {32, 96}
    first = [line["words"] for line in lines if line["length"] == 32]
    assert first[-1] < first[0] - 0.3
    assert log_of(encoder, "held-out")[-1]["step"] == 24


def test_the_encoder_loads_as_a_plain_bert(encoder: Path):
    model = AutoModel.from_pretrained(encoder, add_pooling_layer=False)
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    assert type(model) is BertModel
    assert tokenizer.model_max_length == 96
    inputs = tokenizer("أعلنت الوزارة [رابط]", return_tensors="pt")
    assert tokenizer.convert_tokens_to_ids("[رابط]") in inputs["input_ids"]
    with torch.no_grad():
        assert bool(model(**inputs).last_hidden_state.isfinite().all())
    heads = load_file(encoder / "heads.safetensors")
    assert heads["stance.weight"].shape == (len(STANCES), 32)


def test_an_interrupted_run_ends_as_the_uninterrupted_one(encoder: Path, write_config: Callable[..., Path]):
    with pytest.raises(KeyboardInterrupt):
        pretrain(write_config("again"), clock=Ticks(limit=16))
    resumed = pretrain(write_config("again"), clock=Ticks())
    assert_same_weights(encoder, resumed)


def test_legs_end_as_the_whole_run_in_small_parts(encoder: Path, write_config: Callable[..., Path]):
    path = write_config("legs", changes=[("threads = 1", "threads = 1\nleg_minutes = 0.2")])
    for _ in range(2):
        resumed = pretrain(path, clock=Ticks())
    assert log_of(resumed, "held-out")[0]["step"] == 12
    assert_same_weights(encoder, resumed)
    parts = list((resumed.parent / "checkpoint").glob("*.safetensors"))
    assert all(part.stat().st_size <= 2**20 for part in parts)


def assert_same_weights(one: Path, other: Path) -> None:
    left, right = (load_file(folder / "model.safetensors") for folder in (one, other))
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_a_spent_budget_is_not_exceeded(encoder: Path, write_config: Callable[..., Path]):
    again = pretrain(write_config(), minutes=0.2, clock=Ticks())
    assert log_of(again, "train")[-1]["step"] == 24


def test_a_run_may_start_from_an_earlier_encoder(encoder: Path, write_config: Callable[..., Path]):
    path = write_config("second", minutes=0.01, changes=[("layers = 2", f'layers = 2\nstart = "{encoder}"')])
    second = pretrain(path, clock=Ticks())
    one, two = (load_file(folder / "model.safetensors") for folder in (encoder, second))
    # One update, at the rate of 0 that a run begins with.
    assert log_of(second, "held-out")[-1]["step"] == 1
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_run_may_go_on_from_a_bundle_with_its_vocabulary(
    data: tuple[Tokenizer, list[Shard], list[Shard]], write_config: Callable[..., Path], tmp_path: Path
):
    bundle = write_tiny(tmp_path / "bundle", pooling="mean", token_types=2, max_tokens=96)
    vocabulary = Tokenizer.from_file(str(bundle / "tokenizer.json")).get_vocab_size()
    changes = [
        ('shards = "shards"', f'shards = "shards-bundle"\ntokenizer = "{bundle}/tokenizer.json"'),
        ("vocabulary = 700", f"vocabulary = {vocabulary}"),
        ("layers = 2", f'layers = 2\ntoken_types = 2\nstart = "{bundle}"'),
    ]
    encoder = pretrain(write_config("bundle", minutes=0.01, changes=changes), clock=Ticks())
    theirs, ours = (load_file(folder / "model.safetensors") for folder in (bundle, encoder))
    assert all(torch.equal(tensor, theirs[f"encoder.{name}"]) for name, tensor in ours.items())
    assert AutoTokenizer.from_pretrained(encoder).vocab_size == vocabulary


def test_an_earlier_encoder_of_another_shape_is_refused(encoder: Path, write_config: Callable[..., Path]):
    changes = [("layers = 2", f'layers = 3\nstart = "{encoder}"')]
    with pytest.raises(ConfigError, match=r"encoder\.start: .*: no encoder of this run's shape \(lacks encoder\."):
        pretrain(write_config("deeper", changes=changes), clock=Ticks())
    with pytest.raises(ConfigError, match=r"encoder\.start: .*nowhere: no encoder of this run's shape"):
        pretrain(write_config("lost", changes=[("layers = 2", 'layers = 2\nstart = "nowhere"')]), clock=Ticks())


GENERATOR = "[generator]\nlayers = 1\nhidden = 16\nheads = 2\nfeed_forward = 32\n"
ELECTRA = ("[[stages]]\nuntil = 0.5", f"{GENERATOR}[[stages]]\nuntil = 0.5")


def test_replaced_tokens_teach_an_encoder_of_the_same_shape(encoder: Path, write_config: Callable[..., Path]):
    found = pretrain(write_config("electra", changes=[ELECTRA]), clock=Ticks())
    lines = [line["words"] for line in log_of(found, "train") if line["length"] == 32]
    assert lines[-1] < lines[0] - 0.3
    one, two = (load_file(folder / "model.safetensors") for folder in (encoder, found))
    assert {name: tensor.shape for name, tensor in one.items()} == {name: tensor.shape for name, tensor in two.items()}
    assert load_file(found / "heads.safetensors").keys() == load_file(encoder / "heads.safetensors").keys()
    with pytest.raises(KeyboardInterrupt):
        pretrain(write_config("electra-again", changes=[ELECTRA]), clock=Ticks(limit=16))
    assert_same_weights(found, pretrain(write_config("electra-again", changes=[ELECTRA]), clock=Ticks()))


def test_guesses_are_drawn_from_the_softmax():
    logits = torch.tensor([[0.0, 2.0, -1.0, 1.0]]).expand(40_000, -1)
    luck = torch.rand(40_000, generator=torch.Generator().manual_seed(0))
    counts = torch.bincount(sample(logits, luck), minlength=4) / 40_000
    torch.testing.assert_close(counts, torch.softmax(logits[0], dim=-1), atol=0.01, rtol=0)
    assert sample(logits[:2], torch.tensor([0.0, 1.0])).tolist() == [0, 3]


def test_a_damaged_checkpoint_is_one_clear_error(encoder: Path, write_config: Callable[..., Path]):
    path = write_config("damaged", minutes=0.1)
    folder = pretrain(path, clock=Ticks()).parent
    (folder / "checkpoint" / "part-000.safetensors").write_bytes(b"no")
    with pytest.raises(DataError, match="not a checkpoint of this model"):
        pretrain(path, minutes=1.0, clock=Ticks())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("hidden = 32", "hidden = 33"), "encoder.hidden: 33: must be a multiple of encoder.heads"),
        (("layers = 2", "layers = 2\ndepth = 3"), "encoder.depth: 3: Extra inputs are not permitted"),
        (("until = 0.5", "until = 1.0"), "stages.until"),
        (("length = 96", "length = 128"), "stages.length: 128: must be at most encoder.positions"),
        (("rate = 1e-2", 'rate = "1e-2"'), "schedule.rate: '1e-2': Input should be a valid number"),
        (("rate = 1e-2", "rate = 1e-2\nrise = 0.9"), "must be at most 1"),
        (('shards = "shards"', 'shards = "shards"\nnormaliser = "other"'), "data.normaliser: other: must be one of"),
        (
            ('shards = "shards"', 'shards = "lost"\ntokenizer = "lost.json"'),
            r"data\.tokenizer: .*lost\.json: cannot be read",
        ),
    ],
)
def test_a_wrong_config_is_one_sentence(write_config: Callable[..., Path], change: tuple[str, str], message: str):
    with pytest.raises(ConfigError, match=message) as caught:
        pretrain(write_config("wrong", changes=[change]))
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_run_without_a_gpu_says_so():
    with pytest.raises(ConfigError, match=r"run\.device: cuda: no such device here"):
        pretrain(CONFIGS / "pretrain-gpu-6x384.toml")


@pytest.mark.parametrize("name", ["gpu-6x384", "gpu-12x384"])
def test_the_gpu_recipes_run_on_a_cpu_too(folder: Path, name: str):
    text = (CONFIGS / f"pretrain-{name}.toml").read_text(encoding="utf-8")
    run = tomllib.loads(text)
    seeds = Path(__file__).parent.parent / "seeds" / "articles.jsonl"
    run["data"] |= {"sources": [{"path": str(seeds), "share": 1.0}], "shards": "shards", "vocabulary": 700}
    run["data"]["held_out_every"] = 10
    run["stages"] = [stage | {"rows": 2} for stage in run["stages"]]
    run["schedule"]["minutes"] = 0.1
    run["run"] |= {"output": name, "device": "cpu", "compile": False, "threads": 1, "evaluate_rows": 2}
    path = folder / f"{name}.toml"
    path.write_text(tomli_w.dumps(run), encoding="utf-8")
    encoder = pretrain(path, clock=Ticks())
    assert AutoModel.from_pretrained(encoder).config.hidden_size == 384
    assert log_of(encoder, "held-out")[-1]["step"] == 6


@pytest.mark.parametrize("name", ["cpu", "debug", "gpu-6x384", "gpu-12x384"])
def test_shipped_configs_are_whole(name: str):
    path = CONFIGS / f"pretrain-{name}.toml"
    config = PretrainConfig.load(path)
    assert config.run.output.is_relative_to(CONFIGS.parent.parent)
    assert len(config.stages) == len(tomllib.loads(path.read_text(encoding="utf-8"))["stages"])
