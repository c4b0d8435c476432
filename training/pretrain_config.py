"""The TOML of a pretraining run, checked whole before anything is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from transformers import BertConfig

from models.text import NORMALISERS
from training.strict import Strict, read_toml

FilePath = Annotated[Path, Field(strict=False)]
Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(ge=0, le=1)]


class Source(Strict):
    """One file of articles.

    Text, plain or zstd, has a paragraph a line and a blank line between articles; `.jsonl` has articles in the
    project's own format. `share` is the part of the training windows drawn from it, relative to the other
    sources; `max_words` reads only so many words from its start.
    """

    path: FilePath
    share: Annotated[float, Field(gt=0)]
    max_words: Positive | None = None


class Data(Strict):
    """Where text comes from and where its token shards go.

    `tokenizer`: the tokenizer.json of an encoder to go on from, in place of a vocabulary of this text.
    """

    sources: Annotated[list[Source], Field(min_length=1)]
    shards: FilePath
    tokenizer: FilePath | None = None
    normaliser: str = "arabert-v02"
    vocabulary: Annotated[int, Field(ge=64, le=65_536)] = 16_384
    tokenizer_words: Positive = 6_000_000
    held_out_every: Annotated[int, Field(ge=2)] = 200

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.normaliser not in NORMALISERS:
            raise ValueError(f"data.normaliser: {self.normaliser}: must be one of {', '.join(NORMALISERS)}")
        return self


class Encoder(Strict):
    """The shape of the BERT that is trained.

    `informed`: it starts from word vectors and neighbours. `start`: it starts from an earlier run's encoder (its
    folder, or a bundle's) of the same shape and vocabulary instead, with the heads that lie beside it.
    """

    layers: Positive
    hidden: Positive
    heads: Positive
    feed_forward: Positive
    positions: Annotated[int, Field(ge=16)] = 512
    token_types: Literal[2, 4] = 4
    informed: bool = True
    start: FilePath | None = None

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.hidden % self.heads:
            raise ValueError(f"encoder.hidden: {self.hidden}: must be a multiple of encoder.heads ({self.heads})")
        return self

    def bert(self, vocabulary: int) -> BertConfig:
        """The Hugging Face configuration of that shape."""
        return BertConfig(
            vocab_size=vocabulary,
            hidden_size=self.hidden,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            intermediate_size=self.feed_forward,
            max_position_embeddings=self.positions,
            type_vocab_size=self.token_types,
        )


class Generator(Strict):
    """Trains by replaced-token detection instead of masked words, beside a small generator of this shape.

    `weight` is that of the loss of what was replaced (see training/pretrain_electra.py).
    """

    layers: Positive
    hidden: Positive
    heads: Positive
    feed_forward: Positive
    weight: Annotated[float, Field(gt=0)] = 50.0

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.hidden % self.heads:
            raise ValueError(f"generator.hidden: {self.hidden}: must be a multiple of generator.heads ({self.heads})")
        return self


class Stage(Strict):
    """A stretch of the run with windows of one length.

    `until` is the part of the whole budget at which it ends. `masked` is the share of tokens to guess,
    `stance_weight` the weight of the synthetic stance loss (0: none).
    """

    until: Annotated[float, Field(gt=0, le=1)]
    length: Annotated[int, Field(ge=16)]
    rows: Positive
    masked: Annotated[float, Field(gt=0, lt=0.5)] = 0.15
    stance_weight: Annotated[float, Field(ge=0)] = 0.0


class Schedule(Strict):
    """AdamW and its learning rate: a linear rise, a plateau, a linear fall to zero, all in parts of the budget."""

    minutes: Annotated[float, Field(gt=0)]
    rate: Annotated[float, Field(gt=0)]
    rise: Rate = 0.02
    fall: Rate = 0.25
    micro_batches: Positive = 1
    decay: Annotated[float, Field(ge=0)] = 0.01
    clip: Annotated[float, Field(gt=0)] = 1.0
    beta2: Annotated[float, Field(gt=0, lt=1)] = 0.98

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.rise + self.fall > 1:
            raise ValueError(f"schedule.rise + schedule.fall: {self.rise + self.fall}: must be at most 1")
        return self


class Run(Strict):
    """Where and how it runs.

    `checkpoint_minutes` is the time between two checkpoints; `part_mib` splits a checkpoint into files of at
    most that size. `leg_minutes` stops each call after that time, for machines that lend no more; call again.
    `precision` is that of the matrix products; weights and optimiser stay fp32.
    """

    output: FilePath
    device: Literal["cpu", "cuda"] = "cpu"
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False
    threads: Positive | None = None
    seed: int = 0
    log_every: Positive = 50
    evaluate_minutes: Annotated[float, Field(gt=0)] = 5.0
    evaluate_rows: Positive = 128
    checkpoint_minutes: Annotated[float, Field(gt=0)] = 5.0
    leg_minutes: Annotated[float, Field(gt=0)] | None = None
    part_mib: Positive = 15


class PretrainConfig(Strict):
    """A whole pretraining run; paths are absolute once loaded."""

    data: Data
    encoder: Encoder
    generator: Generator | None = None
    stages: Annotated[list[Stage], Field(min_length=1)]
    schedule: Schedule
    run: Run

    @model_validator(mode="after")
    def _whole(self) -> Self:
        ends = [stage.until for stage in self.stages]
        if ends != sorted(set(ends)) or ends[-1] != 1.0:
            raise ValueError(f"stages.until: {ends}: must rise and end at 1.0")
        for stage in self.stages:
            if stage.length > self.encoder.positions:
                raise ValueError(
                    f"stages.length: {stage.length}: must be at most encoder.positions ({self.encoder.positions})"
                )
        return self

    @classmethod
    def load(cls, path: Path) -> PretrainConfig:
        """Read and check a TOML; relative paths in it start at its own folder.

        Raises:
            ConfigError: the file cannot be read, or a field is missing, unknown or out of range.

        """
        return read_toml(path, cls)._anchored(path.resolve().parent)

    def _anchored(self, root: Path) -> PretrainConfig:
        sources = [source.model_copy(update={"path": (root / source.path).resolve()}) for source in self.data.sources]
        tokenizer = self.data.tokenizer and (root / self.data.tokenizer).resolve()
        shards = (root / self.data.shards).resolve()
        data = self.data.model_copy(update={"sources": sources, "shards": shards, "tokenizer": tokenizer})
        run = self.run.model_copy(update={"output": (root / self.run.output).resolve()})
        start = self.encoder.start and (root / self.encoder.start).resolve()
        encoder = self.encoder.model_copy(update={"start": start})
        return self.model_copy(update={"data": data, "encoder": encoder, "run": run})
