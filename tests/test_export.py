"""Export: the traced graph of other shapes, silence, and the gate that int8 must pass."""

from __future__ import annotations

import logging
import shutil

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from models.bundle import Bundle
from models.engines.onnx import OnnxEngine
from models.engines.torch import TorchEngine
from tests.conftest import ROOT
from tests.test_engines import make_network, make_windows
from tests.tiny import tiny_run
from training.data import load_splits
from training.export import export_onnx, largest_difference, quantise
from training.gate import ALLOWED, Gate, int8_gate
from training.reads import encode_articles


@pytest.mark.parametrize("pooling", ["sep", "mean"])
def test_a_network_of_another_kind_is_traced_without_a_word(pooling, tmp_path, capfd):
    network = make_network(hidden_act="gelu_new", num_hidden_layers=1, pooling=pooling)
    export_onnx(network, tmp_path / "model.onnx")
    quantise(tmp_path / "model.onnx", tmp_path / "model.int8.onnx")
    assert capfd.readouterr() == ("", "")
    engine = OnnxEngine(tmp_path / "model.onnx", network.spec, 1)
    found = make_windows(network.spec)
    assert largest_difference(engine, TorchEngine(network, "cpu"), found) < 1e-4


def test_bert_is_written_without_a_word_and_levels_stay(tmp_path, capfd):
    level = logging.getLogger().level
    export_onnx(make_network(), tmp_path / "model.onnx")
    quantise(tmp_path / "model.onnx", tmp_path / "model.int8.onnx")
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger().level == level


@pytest.mark.parametrize(("layers", "small_layers"), [(3, 3), (6, 4)])
@pytest.mark.parametrize("apart", [False, True])
def test_int8_weights_leave_a_bit_free_for_avx2(tmp_path, layers, small_layers, apart):
    export_onnx(make_network(apart=apart, num_hidden_layers=layers), tmp_path / "model.onnx")
    quantise(tmp_path / "model.onnx", tmp_path / "model.int8.onnx")
    graph = onnx.load(tmp_path / "model.int8.onnx").graph
    small = {t.name: numpy_helper.to_array(t) for t in graph.initializer if t.data_type == onnx.TensorProto.INT8}
    products = [node for node in graph.node if node.op_type == "MatMulInteger"]
    # Six maps a layer; the heads and a deep network's first two layers are left as they are.
    assert len(products) == 6 * small_layers
    for node in products:
        weight = small[node.input[1]]
        assert np.abs(weight.astype(int)).max() <= 64
        # A scale a column: each column uses its whole range.
        assert (np.abs(weight.astype(int)).max(axis=0) >= 60).all()


def test_the_gate_compares_both_precisions_on_labelled_articles(tiny_bundle, tmp_path):
    bundle = Bundle.load(tiny_bundle)
    loaded = load_splits([c for c in tiny_run("sep", 2, 128).corpora if c.split == "dev"], ROOT)
    articles = encode_articles([a for one in loaded for a in one.articles], bundle.tokenizer, bundle.normalise)
    exact = bundle.onnx("fp32")
    common = (bundle.windows, articles, bundle.manifest.calibration, bundle.scheme)
    same = int8_gate(exact, exact, *common)
    assert same.passed
    assert same.fp32 == same.int8
    assert {"types", "voice", "stance", "mean"} <= same.fp32.keys()
    shutil.copy(exact, tmp_path / "model.onnx")
    graph = onnx.load(exact)
    for tensor in graph.graph.initializer:
        if tensor.name == "last.query.weight":
            tensor.CopyFrom(numpy_helper.from_array(-5 * numpy_helper.to_array(tensor), tensor.name))
        if tensor.name == "voice.weight":
            tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))
    onnx.save(graph, tmp_path / "broken.onnx")
    broken = int8_gate(exact, tmp_path / "broken.onnx", *common)
    assert broken.fp32 == same.fp32
    assert broken.int8 != same.fp32


def test_the_gate_allows_half_a_point():
    assert ALLOWED == 0.005
    assert Gate({"stance": 0.700}, {"stance": 0.696}).passed
    assert not Gate({"stance": 0.700, "voice": 0.5}, {"stance": 0.694, "voice": 0.6}).passed
