"""The encoder of a run and its tokenizer, from a folder, the hub, or from scratch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file
from tokenizers import AddedToken, Tokenizer
from transformers import AutoTokenizer, BertConfig, BertModel, PreTrainedModel

from models.bundle import MANIFEST, Bundle
from models.engines.torch import load_network
from models.errors import ConfigError
from models.network import Network, load_encoder, set_dropout, with_token_types
from models.text import SPECIAL_TOKENS
from models.windows import WindowSpec
from training.config import Encoder, Windows
from training.pretrain_data import train_tokenizer
from training.pretrain_start import HEADS

# AraBERT v1 and v2 (not v02) read text that Farasa has segmented first.
_NEEDS_FARASA = re.compile(r"bert-(base|large)-arabertv(1|2)(-|$|/)")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a run's encoder comes from; `name` is what cards and /v1/model call it."""

    name: str
    tokenizer: Tokenizer
    encoder: Encoder
    spec: WindowSpec
    folder: str | None
    bundle: Bundle | None = None

    def build(self, dropout: float = 0.1) -> PreTrainedModel:
        """A fresh encoder: pretrained weights, or random ones from torch's current seed."""
        if self.bundle is not None:
            return with_token_types(load_network(self.bundle, dropout).encoder, self.spec.token_types)
        if self.folder is not None:
            types = self.spec.token_types or None
            return load_encoder(self.folder, revision=self.encoder.revision, token_types=types, dropout=dropout)
        shape = self.encoder.scratch
        assert shape is not None
        config = BertConfig(
            vocab_size=self.tokenizer.get_vocab_size(),
            hidden_size=shape.hidden,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=shape.intermediate,
            max_position_embeddings=self.spec.max_tokens,
            type_vocab_size=max(2, self.spec.token_types),
            pad_token_id=self.spec.pad,
        )
        set_dropout(config, dropout)
        return BertModel(config, add_pooling_layer=False)

    def start_heads(self, network: Network) -> None:
        """Give the heads what is known of them: a bundle's own, or what `qawl pretrain` left beside the encoder."""
        if self.bundle is not None:
            wanted = network.state_dict()
            found = load_network(self.bundle).state_dict()
            # A run with claim types of its own has other outputs; one that reads target and article apart, another
            # head for stance.
            fitting = {n: value for n, value in found.items() if n in wanted and value.shape == wanted[n].shape}
            network.load_state_dict(fitting, strict=False)
            return
        if self.folder is None or not (Path(self.folder) / HEADS).is_file():
            return
        known = {k: v for k, v in load_file(Path(self.folder) / HEADS).items() if k.split(".")[0] in ("pair", "stance")}
        network.load_state_dict(known, strict=False)


def resolve(encoder: Encoder, windows: Windows, root: Path, texts: Iterable[str]) -> Source:
    """Find the encoder's tokenizer and lay out its windows; `texts` (normalised) train a `scratch` vocabulary.

    Raises:
        ConfigError: the encoder cannot be loaded, reads fewer tokens than asked, or needs Farasa.

    """
    if encoder.scratch is not None:
        tokenizer = train_tokenizer(iter(texts), encoder.scratch.vocabulary)
        ids = (_id(tokenizer, "[CLS]"), _id(tokenizer, "[SEP]"), _id(tokenizer, "[PAD]"))
        shape = encoder.scratch
        spec = _spec(windows, ids, 2 if encoder.token_types is None else encoder.token_types)
        return Source(f"scratch {shape.layers} x {shape.hidden}", tokenizer, encoder, spec, None)
    folder = str((root / encoder.path).resolve()) if encoder.path else str(encoder.name)
    # `qawl pretrain` calls the encoder of every run `encoder`; the run's own folder says which one it is.
    name = encoder.name or "/".join(Path(folder).parts[-2:])
    if (Path(folder) / MANIFEST).is_file():
        return _from_bundle(folder, encoder, windows)
    if _NEEDS_FARASA.search(folder):
        raise ConfigError(f"encoder: {name}: reads text segmented by Farasa, which Qawl does not; use a v02 checkpoint")
    return Source(name, *_pretrained(folder, name, encoder, windows), folder)


def _from_bundle(folder: str, encoder: Encoder, windows: Windows) -> Source:
    """A bundle's network, to go on from: its tokenizer, its encoder and every head that fits."""
    bundle = Bundle.load(Path(folder))
    own = bundle.windows
    if encoder.normaliser != bundle.manifest.normaliser:
        raise ConfigError(
            f"encoder.normaliser: {encoder.normaliser}: the bundle {folder} reads text of {bundle.manifest.normaliser}"
        )
    limit = position_limit(load_network(bundle).encoder)
    if windows.max_tokens > limit:
        raise ConfigError(f"windows.max_tokens: {windows.max_tokens}: {folder} reads at most {limit}")
    # A token on both sides has a type of its own only where the sides are read together.
    types = min(own.token_types, 2) if windows.apart else own.token_types
    spec = _spec(windows, (own.cls, own.sep, own.pad), types)
    return Source(bundle.manifest.encoder, bundle.tokenizer, encoder, spec, folder, bundle)


def _pretrained(folder: str, name: str, encoder: Encoder, windows: Windows) -> tuple[Tokenizer, Encoder, WindowSpec]:
    model = load_encoder(folder, revision=encoder.revision)
    try:
        fast = AutoTokenizer.from_pretrained(folder, revision=encoder.revision)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"encoder: {name}: no tokenizer that transformers can load") from error
    if not getattr(fast, "is_fast", False):
        raise ConfigError(f"encoder: {name}: has no fast tokenizer; save one as tokenizer.json")
    tokenizer = Tokenizer.from_str(fast.backend_tokenizer.to_str())
    keep_whole(tokenizer)
    cls, sep = fast.cls_token_id, fast.sep_token_id
    if cls is None or sep is None or fast.pad_token_id is None:
        raise ConfigError(f"encoder: {name}: its tokenizer lacks a [CLS], [SEP] or [PAD] token")
    limit = position_limit(model)
    if windows.max_tokens > limit:
        raise ConfigError(f"windows.max_tokens: {windows.max_tokens}: {name} reads at most {limit}")
    types = int(getattr(model.config, "type_vocab_size", 0) or 0)
    own = min(types, 2) if windows.apart else types
    own = own if own in (2, 4) else 0
    chosen = own if encoder.token_types is None else encoder.token_types
    return tokenizer, encoder, _spec(windows, (cls, sep, fast.pad_token_id), chosen)


def keep_whole(tokenizer: Tokenizer) -> None:
    """Mark the normaliser's placeholders as special where the vocabulary has them, without resizing it.

    The hub's fast tokenizers do not honour `never_split`, and would cut `[رابط]` into three tokens.
    """
    known = [token for token in SPECIAL_TOKENS if tokenizer.token_to_id(token) is not None]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in known])


def position_limit(model: PreTrainedModel) -> int:
    """Tokens the encoder can read at once; RoBERTa's shapes lose the positions up to the padding index."""
    positions = int(getattr(model.config, "max_position_embeddings", 512))
    if model.config.model_type in ("roberta", "xlm-roberta", "camembert"):
        positions -= int(model.config.pad_token_id or 0) + 1
    return positions


def _spec(windows: Windows, ids: tuple[int, int, int], token_types: int) -> WindowSpec:
    cls, sep, pad = ids
    return WindowSpec(
        cls=cls,
        sep=sep,
        pad=pad,
        max_tokens=windows.max_tokens,
        max_target_tokens=windows.max_target_tokens,
        overlap=windows.overlap,
        token_types=token_types,
        pooling=windows.pooling,
        apart=windows.apart,
    )


def _id(tokenizer: Tokenizer, token: str) -> int:
    found = tokenizer.token_to_id(token)
    assert found is not None, token
    return int(found)
