"""A bundle loads whole or not at all: every way of tampering is one clear error that names the file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from models import bundle as bundles
from models.bundle import MANIFEST, Bundle
from models.errors import BundleError
from models.labels import SCHEME
from models.tagger import Tagger
from models.tags import Document


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


def edit(path: Path, change) -> None:
    data = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    change(data)
    (path / MANIFEST).write_text(json.dumps(data), encoding="utf-8")


def complaint(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        Tagger.load(path, threads=1)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "tokenizer.json", "model.onnx", "report.json", "README.md", "LICENSE"]
)
def test_a_file_missing_truncated_or_changed_is_named(copy, name):
    whole = (copy / name).read_bytes()
    (copy / name).write_bytes(whole[:-1])
    assert name in complaint(copy)
    (copy / name).write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    assert name in complaint(copy)
    (copy / name).unlink()
    assert f"{name}: missing" in complaint(copy)


def test_an_unknown_file_is_named(copy):
    (copy / "model.pkl").write_bytes(b"")
    assert "model.pkl" in complaint(copy)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(format=2), "format: 2"),
        (lambda d: d.pop("format"), "format: missing"),
        (lambda d: d.update(extra=1), "extra"),
        (lambda d: d.pop("calibration"), "calibration"),
        (lambda d: d.update(normaliser="farasa"), "normaliser: 'farasa'"),
        (lambda d: d.update(normaliser_version="0"), "normaliser_version"),
        (lambda d: d["calibration"]["thresholds"].popitem(), "calibration.thresholds"),
        (lambda d: d["calibration"]["types"].popitem(), "calibration.types"),
        (lambda d: d["calibration"]["temperatures"].update(voice=0), "temperatures.voice"),
        (lambda d: d["windows"].update(stride=1), "windows"),
        (lambda d: d["scheme"]["voices"].reverse(), "scheme.voices"),
        (lambda d: d["scheme"]["stances"].pop(), "scheme.stances"),
        (lambda d: d["scheme"]["types"].clear(), "scheme.types"),
        (lambda d: d["files"].pop("LICENSE"), "LICENSE"),
        (lambda d: d["files"].update({"../LICENSE": "0"}), "../LICENSE"),
    ],
)
def test_a_changed_manifest_names_the_field(copy, change, said):
    edit(copy, change)
    assert said in complaint(copy)


def test_labels_saved_before_they_had_arabic_definitions_get_them(copy):
    def older(data):
        for label in (*data["scheme"]["types"], data["scheme"]["none"], *data["scheme"]["voices"]):
            del label["definition_ar"]
        # A label of one's own that is called like one of ours.
        data["scheme"]["types"][0]["definition"] = "Our own."

    edit(copy, older)
    scheme = Bundle.load(copy).scheme
    assert scheme.types[0].definition_ar == ""
    assert scheme.types[1:] == SCHEME.types[1:]
    assert (scheme.none, scheme.voices, scheme.stances) == (SCHEME.none, SCHEME.voices, SCHEME.stances)


def test_a_truncated_manifest_and_no_bundle_at_all(copy, tmp_path):
    raw = (copy / MANIFEST).read_bytes()
    (copy / MANIFEST).write_bytes(raw[: len(raw) // 2])
    assert "not JSON" in complaint(copy)
    (copy / MANIFEST).unlink()
    assert "is not a bundle" in complaint(copy)
    assert "no such bundle folder" in complaint(tmp_path / "nowhere")


def test_the_fingerprint_covers_every_file(tiny_bundle, copy):
    assert Bundle.load(copy).fingerprint == Bundle.load(tiny_bundle).fingerprint
    weights = load_file(copy / "model.safetensors")
    save_file({name: np.asarray(w) + 1 for name, w in weights.items()}, copy / "model.safetensors")
    edit(copy, lambda d: d["files"].update({"model.safetensors": bundles._sha256(copy / "model.safetensors")}))
    assert Bundle.load(copy).fingerprint != Bundle.load(tiny_bundle).fingerprint


def test_weights_that_do_not_fit_are_named(copy):
    weights = load_file(copy / "model.safetensors")
    weights.pop("voice.weight")
    save_file(weights, copy / "model.safetensors")
    edit(copy, lambda d: d["files"].update({"model.safetensors": bundles._sha256(copy / "model.safetensors")}))
    with pytest.raises(BundleError, match=r"model\.safetensors"):
        Tagger.load(copy, engine="torch")


def test_saving_is_all_or_nothing(tiny_bundle, tmp_path):
    target = tmp_path / "kept"
    shutil.copytree(tiny_bundle, target)
    before = Bundle.load(target).fingerprint

    def fails(folder: Path) -> None:
        (folder / "config.json").write_text("{}")
        raise OSError("disk full")

    fields = Bundle.load(target).manifest.fields()
    with pytest.raises(OSError, match="disk full"):
        bundles.save(target, fields, fails)
    with pytest.raises(BundleError, match="not listed"):
        bundles.save(target, fields, lambda folder: None)
    assert Bundle.load(target).fingerprint == before
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


def test_there_is_no_int8_network_unless_it_passed_its_gate(tiny_bundle):
    with pytest.raises(BundleError, match="int8"):
        Tagger.load(tiny_bundle, precision="int8")


def test_torch_and_onnx_answer_alike(tiny_bundle, seed_articles):
    documents = [
        Document(sentences=tuple(s["text"] for s in a["sentences"]), targets=tuple(a["targets"]))
        for a in seed_articles[:6]
    ]
    onnx, torch = (Tagger.load(tiny_bundle, engine=name, threads=1).tag(documents) for name in ("onnx", "torch"))
    for one, other in zip(onnx, torch, strict=True):
        for a, b in zip(one.sentences, other.sentences, strict=True):
            for x, y in zip(
                (a.type_scores, a.voice_scores, *a.stance_scores),
                (b.type_scores, b.voice_scores, *b.stance_scores),
                strict=True,
            ):
                assert list(x.values()) == pytest.approx(list(y.values()), abs=1e-4)
