"""Engines: the exported network is torch's, whatever stands beside a window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from transformers import AutoConfig, AutoModel

from models import bert
from models.apart import ApartNetwork, build_network
from models.batch import collate, lay
from models.engines import Heads, answered
from models.engines.onnx import OnnxEngine
from models.engines.torch import Inputs, TorchEngine, to_tensors
from models.errors import BundleError, ConfigError
from models.labels import SCHEME
from models.network import Network, drop_pooler
from models.windows import Pooling, Window, WindowSpec, beside, windows
from training.articles import LabelledSentence
from training.batching import Collator, first_fit
from training.export import export_onnx, largest_difference, quantise
from training.reads import Reading

SHAPE = {
    "vocab_size": 400,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 160,
    "pad_token_id": 0,
}


def make_network(
    kind: str = "bert", *, pooling: Pooling = "sep", token_types: int = 2, apart: bool = False, **changes: object
) -> Network:
    torch.manual_seed(3)
    sizes = {**SHAPE, "type_vocab_size": max(1, token_types), **changes}
    encoder = drop_pooler(AutoModel.from_config(AutoConfig.for_model(kind, **sizes)))
    spec = WindowSpec(1, 2, 0, max_tokens=128, token_types=token_types, pooling=pooling, apart=apart)
    network = build_network(encoder, Heads(8), spec, dropout=0.0)
    with torch.no_grad():
        # Larger weights make every mix-up of tokens visible.
        for parameter in network.parameters():
            parameter.mul_(3) if parameter.ndim > 1 else parameter.add_(torch.randn_like(parameter) * 0.1)
    return network.eval()


def make_windows(spec: WindowSpec, seed: int = 5) -> list[Window]:
    """Windows of several articles, long and short, with and without a target, some of equal length."""
    rng = np.random.default_rng(seed)
    found: list[Window] = []
    for count in (1, 4, 12, 2):
        sentences = [rng.integers(3, 400, int(n)).astype(np.int32) for n in rng.integers(0, 40, count)]
        target = rng.integers(3, 400, 6).astype(np.int32)
        own = windows(sentences, None, spec)
        found += [*own, *beside(own, sentences, target, spec), *beside(own, sentences, target[:4], spec)]
        found += windows(sentences, target, spec, context=False)
    return found


def padded(found: list[Window], spec: WindowSpec) -> Inputs:
    return to_tensors(collate(found, spec), spec)


def packed(found: list[Window], spec: WindowSpec) -> tuple[Inputs, list[int]]:
    """Packed rows, and for each of their answers the sentence it is of, counted over `found`."""
    rows = first_fit(found, spec.max_tokens)
    firsts = np.cumsum([0, *(len(window.scored) for window in found)])
    order = [int(firsts[i]) + k for row in rows for i in row for k in range(len(found[i].scored))]
    return to_tensors(lay([[found[i] for i in row] for row in rows], spec), spec), order


@pytest.fixture(scope="module")
def network() -> Network:
    return make_network()


@pytest.fixture(scope="module")
def exported(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graphs") / "model.onnx"
    export_onnx(network, path)
    return path


def test_the_last_layer_where_it_is_read_is_the_whole_layer(network, monkeypatch):
    found = make_windows(network.spec)
    inputs = padded(found, network.spec)
    with torch.no_grad():
        quick = network(**inputs)
        monkeypatch.setattr(bert, "is_bert", lambda _: False)
        plain = network(**inputs)
    assert quick.shape == (sum(len(w.scored) for w in found), network.layout.width)
    assert torch.allclose(quick, plain, atol=1e-5)


def test_its_gradients_are_those_of_the_whole_layer(network, monkeypatch):
    inputs = padded(make_windows(network.spec), network.spec)

    def gradients() -> dict[str, torch.Tensor]:
        network.zero_grad()
        (network(**inputs) ** 2).mean().backward()
        return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}

    quick = gradients()
    monkeypatch.setattr(bert, "is_bert", lambda _: False)
    plain = gradients()
    network.zero_grad()
    assert quick.keys() == plain.keys() == dict(network.named_parameters()).keys()
    for name, gradient in plain.items():
        assert torch.allclose(quick[name], gradient, atol=1e-5 * float(1 + gradient.abs().max())), name


@pytest.mark.parametrize("pooling", ["sep", "mean"])
@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_packed_rows_answer_as_padded_ones(pooling, kernel):
    network = make_network(pooling=pooling, token_types=4)
    network.encoder.set_attn_implementation(kernel)
    found = make_windows(network.spec)
    inputs, order = packed(found, network.spec)
    with torch.no_grad():
        assert torch.allclose(network(**inputs), network(**padded(found, network.spec))[order], atol=1e-5)


@pytest.mark.parametrize("pooling", ["sep", "mean"])
@pytest.mark.parametrize("packing", [False, True])
def test_what_is_read_apart_answers_in_training_as_in_its_engine(pooling, packing):
    network = make_network(pooling=pooling, apart=True)
    found = make_windows(network.spec)
    readings = [
        [Reading(w, (LabelledSentence(text=""),) * len(w.scored), (None,) * len(w.scored), w.beside, 1.0)]
        for w in found
    ]
    batch = Collator(network.spec, SCHEME.type_ids, 0.1, packing=packing)(readings)
    with torch.no_grad():
        whole = network(**batch["inputs"]).numpy()
    assert np.abs(whole - np.concatenate(TorchEngine(network, "cpu").run(found))).max() <= 1e-5


def test_an_article_and_a_target_are_read_once(monkeypatch):
    network = make_network(apart=True)
    sentences = [np.arange(5, 25).astype(np.int32)]
    own = windows(sentences, None, network.spec)
    targets = [np.asarray(ids, dtype=np.int32) for ids in ([7, 8], [9], [9], [30, 31, 32])]
    found = own + [w for t in targets for w in beside(own, sentences, t, network.spec)]
    read: list[int] = []
    plain = ApartNetwork.encode

    def counted(self: ApartNetwork, ids: torch.Tensor, *rest: torch.Tensor | None) -> torch.Tensor:
        read.extend([ids.shape[1]] * ids.shape[0])
        return plain(self, ids, *rest)

    monkeypatch.setattr(ApartNetwork, "encode", counted)
    TorchEngine(network, "cpu").run(found)
    assert sorted(read) == [3, 4, 5, 23]


def test_states_are_kept_for_the_windows_that_come_next(tmp_path):
    network = make_network(apart=True)
    export_onnx(network, tmp_path / "model.onnx")
    found = make_windows(network.spec)
    engine = OnnxEngine(tmp_path / "model.onnx", network.spec, 1)
    together = engine.run(found)
    for window, logits in zip(found, together, strict=True):
        assert np.abs(engine.run([window])[0] - logits).max() <= 1e-5


@pytest.mark.parametrize(
    ("kind", "changes"), [("modernbert", {}), ("bert", {"hidden_act": "relu"}), ("bert", {"num_attention_heads": 1})]
)
def test_an_encoder_that_cannot_read_apart_is_one_sentence(kind, changes):
    with pytest.raises(ConfigError, match=rf"windows\.apart: true: only encoders of .*; this one is {kind}; use false"):
        make_network(kind, apart=True, **changes)


@pytest.mark.parametrize(
    ("kind", "token_types", "changes"),
    [
        ("bert", 2, {}),
        ("bert", 4, {"pooling": "mean"}),
        ("bert", 0, {}),
        ("bert", 2, {"apart": True}),
        ("bert", 2, {"apart": True, "pooling": "mean"}),
        ("xlm-roberta", 0, {"bos_token_id": 1, "eos_token_id": 2}),
        ("xlm-roberta", 0, {"bos_token_id": 1, "eos_token_id": 2, "apart": True}),
    ],
)
def test_the_graph_of_each_shape_is_the_network(tmp_path, kind, token_types, changes):
    network = make_network(kind, token_types=token_types, **changes)
    export_onnx(network, tmp_path / "model.onnx")
    engine = OnnxEngine(tmp_path / "model.onnx", network.spec, 1)
    found = make_windows(network.spec)
    assert largest_difference(engine, TorchEngine(network, "cpu"), found) < 1e-4


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("apart", [False, True])
def test_neighbours_do_not_change_an_answer(tmp_path, precision, apart):
    network = make_network(apart=apart)
    path = tmp_path / "model.onnx"
    export_onnx(network, path)
    if precision == "int8":
        quantise(path, tmp_path / "model.int8.onnx")
        path = tmp_path / "model.int8.onnx"

    def fresh() -> OnnxEngine:
        return OnnxEngine(path, network.spec, 1, alone=precision == "int8")

    found = make_windows(network.spec)
    together = fresh().run(found)
    backwards = fresh().run(found[::-1])[::-1]
    for window, one, two in zip(found, together, backwards, strict=True):
        assert one.shape == (len(window.scored), network.layout.width)
        assert np.abs(one - fresh().run([window])[0]).max() <= 1e-5
        assert np.abs(one - two).max() <= 1e-5


def test_neighbours_do_not_change_a_mean(tmp_path):
    network = make_network(pooling="mean")
    export_onnx(network, tmp_path / "model.onnx")
    engine = OnnxEngine(tmp_path / "model.onnx", network.spec, 1)
    # Equal lengths go together, whether or not they stand beside a target.
    sentences = [np.arange(n, n + 9).astype(np.int32) for n in (5, 50, 95)]
    target = np.asarray([7, 8, 9, 10], dtype=np.int32)
    found = windows([*sentences, target[1:]], None, network.spec) + windows(sentences, target, network.spec)
    assert found[0].tokens == found[1].tokens
    for window, together in zip(found, engine.run(found), strict=True):
        part = answered(window)
        assert np.abs(together - engine.run([window])[0])[:, part].max() <= 1e-5


def test_int8_is_smaller_and_near(exported, network, tmp_path):
    quantise(exported, tmp_path / "model.int8.onnx")
    assert (tmp_path / "model.int8.onnx").stat().st_size < 0.6 * exported.stat().st_size
    found = make_windows(network.spec)
    engine = OnnxEngine(tmp_path / "model.int8.onnx", network.spec, 1, alone=True)
    exact = np.concatenate(OnnxEngine(exported, network.spec, 1).run(found))
    near = np.concatenate(engine.run(found))
    # Random weights exaggerate: what matters on trained ones is the gate's to say.
    assert np.corrcoef(exact.ravel(), near.ravel())[0, 1] > 0.98


def test_no_window_is_no_work(exported, network):
    assert OnnxEngine(exported, network.spec, 1).run([]) == []


def test_a_graph_of_other_inputs_is_refused(exported, network, tmp_path):
    graph = onnx.load(exported)
    for node in (*graph.graph.input, *graph.graph.node):
        if isinstance(node, onnx.NodeProto):
            node.input[:] = ["tokens" if name == "ids" else name for name in node.input]
        elif node.name == "ids":
            node.name = "tokens"
    onnx.save(graph, tmp_path / "other.onnx")
    with pytest.raises(BundleError, match=r"other\.onnx: not the inputs"):
        OnnxEngine(tmp_path / "other.onnx", network.spec, 1)
    (tmp_path / "broken.onnx").write_bytes(b"not a graph")
    with pytest.raises(BundleError, match=r"broken\.onnx"):
        OnnxEngine(tmp_path / "broken.onnx", network.spec, 1)
