"""AraBERT's real shape, saved here with random weights, goes through `configs/arabert.toml` whole."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import tomli_w
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from models.errors import ConfigError
from models.text import LINK, SPECIAL_TOKENS
from tests.conftest import ROOT
from training.config import Encoder, Windows, read_run
from training.encoders import resolve
from training.train import Prepared, prepare

CONFIG = ROOT / "training" / "configs" / "arabert.toml"
VOCABULARY = 64_000
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def save_checkpoint(folder: Path, *, layers: int, form: str) -> Path:
    """Width 768, vocabulary 64,000 with every word of seeds/; the placeholders are plain words of it, as on the hub."""
    words = [*SPECIALS, *SPECIAL_TOKENS, "[", "]"]
    letters = [chr(c) for c in range(0x621, 0x64B)]
    words += letters + [f"##{letter}" for letter in letters] + [str(n) for n in range(10)]
    seeds = (ROOT / "seeds" / "articles.jsonl").read_text(encoding="utf-8")
    words += sorted(set(re.findall(r"[\u0621-\u064A]{2,}", seeds)))
    words += [f"##{a}{b}{c}" for a in letters for b in letters for c in letters][: VOCABULARY - len(words)]
    from tokenizers import models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=None)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=512,
    ).save_pretrained(folder)
    torch.manual_seed(0)
    model = BertModel(BertConfig(vocab_size=VOCABULARY, num_hidden_layers=layers))
    assert (model.config.hidden_size, model.config.max_position_embeddings) == (768, 512)
    model.save_pretrained(folder)
    if form == "bin":
        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    return folder


def config_for(checkpoint: Path, folder: Path) -> Path:
    """`arabert.toml` with only the encoder changed (and the seeds found from elsewhere)."""
    data = tomllib.loads(CONFIG.read_text(encoding="utf-8"))
    data["encoder"] = {"path": str(checkpoint), "normaliser": data["encoder"]["normaliser"]}
    for corpus in data["corpora"]:
        for field in ("path", "splits"):
            corpus[field] = str((CONFIG.parent / corpus[field]).resolve())
    path = folder / "run.toml"
    path.write_text(tomli_w.dumps(data), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Prepared:
    folder = tmp_path_factory.mktemp("arabert")
    path = config_for(save_checkpoint(folder / "checkpoint", layers=12, form="bin"), folder)
    return prepare(read_run(path), folder)


def test_the_placeholders_stay_one_token(prepared):
    tokenizer = prepared.source.tokenizer
    for token in SPECIAL_TOKENS:
        assert tokenizer.encode(f"تابع {token} الآن", add_special_tokens=False).tokens.count(token) == 1
    assert tokenizer.get_vocab_size() == VOCABULARY
    assert LINK in tokenizer.get_vocab()


def test_safetensors_load_alike(tmp_path):
    both = [save_checkpoint(tmp_path / form, layers=1, form=form) for form in ("bin", "safetensors")]
    one, other = (resolve(Encoder(path=str(path)), Windows(), ROOT, []).build(0.0).state_dict() for path in both)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", ["aubmindlab/bert-base-arabertv2", "aubmindlab/bert-large-arabertv1"])
def test_checkpoints_that_need_farasa_are_refused(name):
    with pytest.raises(ConfigError, match="Farasa"):
        resolve(Encoder(name=name, revision="main"), Windows(), ROOT, [])


def test_a_path_that_is_no_checkpoint_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match="not a checkpoint") as caught:
        resolve(Encoder(path=str(tmp_path)), Windows(), ROOT, [])
    assert "\n" not in str(caught.value)
