"""Pretraining of a compact Arabic encoder: masked words, then masked words and synthetic stance.

The budget is time. Rate and stage follow the part of it that is spent, so a run ends with its budget
whatever the machine, and a run that was interrupted goes on from its last checkpoint.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.optim import AdamW

from models.errors import ConfigError
from training.pretrain_batches import Sampler, Vocabulary
from training.pretrain_checkpoint import load_checkpoint, save_checkpoint
from training.pretrain_config import PretrainConfig, Schedule, Stage
from training.pretrain_data import FIRST_WORD, Shard, prepare, save_tokenizer
from training.pretrain_electra import Electra
from training.pretrain_model import Batch, PretrainModel
from training.pretrain_start import HEADS, start_from_corpus, start_from_encoder
from training.pretrain_vectors import Vectors, alternatives, variants, word_vectors

Clock = Callable[[], float]

_ALTERNATIVES = 8


def pretrain(config_path: Path, minutes: float | None = None, *, clock: Clock = time.monotonic) -> Path:
    """Run, or go on with, the pretraining that a TOML describes; `minutes` replaces the TOML's whole budget.

    Returns the folder of the encoder, which `AutoModel` and `AutoTokenizer` load; beside it are `log.jsonl` and
    the checkpoint. A run whose budget is spent only returns its encoder.

    Raises:
        ConfigError: the TOML is wrong, or asks for a GPU that is not there.
        DataError: a corpus or a checkpoint cannot be read.

    """
    config = PretrainConfig.load(config_path)
    if minutes is not None:
        schedule = config.schedule.model_copy(update={"minutes": minutes})
        config = config.model_copy(update={"schedule": schedule})
    if config.run.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"{config_path}: run.device: cuda: no such device here; use cpu")
    return _Run(config, clock).go()


def rate_at(spent: float, schedule: Schedule) -> float:
    """The learning rate when a part `spent` (0 to 1) of the budget is gone."""
    up = spent / schedule.rise if schedule.rise else 1.0
    down = (1 - spent) / schedule.fall if schedule.fall else 1.0
    return schedule.rate * max(0.0, min(1.0, up, down))


def stage_at(spent: float, stages: list[Stage]) -> Stage:
    """The stage when a part `spent` of the budget is gone."""
    return next((stage for stage in stages if spent < stage.until), stages[-1])


class _Run:
    """One run: everything it needs, built in a straight line, then `go`."""

    def __init__(self, config: PretrainConfig, clock: Clock) -> None:
        self.config, self.clock = config, clock
        run = config.run
        if run.threads:
            torch.set_num_threads(run.threads)
        torch.manual_seed(run.seed)
        self.device = torch.device(run.device)
        self.tokenizer, train, held_out = prepare(config.data)
        vectors = _vectors(config, self.tokenizer, train)
        vocabulary = _vocabulary(self.tokenizer, train, vectors, self.device)
        shares = [source.share for source in config.data.sources]
        positions, types = config.encoder.positions, config.encoder.token_types
        self.train = Sampler(train, shares, vocabulary, positions, types, self.device)
        self.held_out = Sampler(held_out, shares, vocabulary, positions, types, self.device)
        self.encoder = _encoder(config, self.tokenizer, vectors)
        self.model: nn.Module = self.encoder
        if config.generator:
            self.model = Electra(_generator(config, self.tokenizer), self.encoder, config.generator.weight)
        self.model.to(self.device)
        self.optimiser = _optimiser(self.model, config.schedule)
        self.loss: Callable[[Batch], tuple[Tensor, Tensor]] = self.model
        if run.compile:
            self.loss = torch.compile(self.model, dynamic=False)
        run.output.mkdir(parents=True, exist_ok=True)
        self.progress = load_checkpoint(run.output / "checkpoint", self.model, self.optimiser)

    def go(self) -> Path:
        """Train until the budget is spent."""
        run, progress = self.config.run, self.progress
        budget = self.config.schedule.minutes * 60
        stop = min(budget, progress.seconds + run.leg_minutes * 60) if run.leg_minutes else budget
        began = self.clock() - progress.seconds
        saved = evaluated = progress.seconds
        tokens, since = progress.tokens, progress.seconds
        while progress.seconds < stop:
            spent = progress.seconds / budget
            stage = stage_at(spent, self.config.stages)
            losses = self._update(stage, rate_at(spent, self.config.schedule))
            progress.step += 1
            progress.tokens += stage.rows * stage.length * self.config.schedule.micro_batches
            progress.seconds = self.clock() - began
            if progress.step % run.log_every == 0:
                speed = (progress.tokens - tokens) / max(progress.seconds - since, 1e-9)
                self._log("train", stage, losses, rate=rate_at(spent, self.config.schedule), tokens_per_s=round(speed))
                tokens, since = progress.tokens, progress.seconds
            if progress.seconds - evaluated >= run.evaluate_minutes * 60:
                self._log("held-out", stage, self._evaluate(stage))
                evaluated = progress.seconds
            if progress.seconds - saved >= run.checkpoint_minutes * 60:
                self._save()
                saved = progress.seconds
        stage = stage_at(progress.seconds / budget, self.config.stages)
        self._log("held-out", stage, self._evaluate(stage))
        return self._save()

    def _update(self, stage: Stage, rate: float) -> tuple[Tensor, Tensor]:
        """One optimiser step; the mean losses of its micro-batches."""
        schedule, step = self.config.schedule, self.progress.step
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        total = torch.zeros(2, device=self.device)
        for number in range(schedule.micro_batches):
            seed = (self.config.run.seed * 1_000_003 + step) * schedule.micro_batches + number
            batch = self.train.draw(stage, stage.rows, self._generator(seed))
            word_loss, stance_loss = self.loss(batch)
            loss = word_loss + stage.stance_weight * stance_loss
            (loss / schedule.micro_batches).backward()  # type: ignore[no-untyped-call]
            total += torch.stack((word_loss.detach(), stance_loss.detach())) / schedule.micro_batches
        nn.utils.clip_grad_norm_(self.model.parameters(), schedule.clip)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return total[0], total[1]

    @torch.no_grad()
    def _evaluate(self, stage: Stage) -> tuple[Tensor, Tensor]:
        """Mean losses on the same held-out rows each time, uncompiled: their shape is not the training's."""
        batch = self.held_out.draw(stage, self.config.run.evaluate_rows, self._generator(0))
        losses: tuple[Tensor, Tensor] = self.model(batch)
        return losses

    def _generator(self, seed: int) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(seed)

    def _log(self, kind: str, stage: Stage, losses: tuple[Tensor, Tensor], **more: float) -> None:
        words, stance = (round(float(loss), 4) for loss in losses)
        progress = self.progress
        line = {"kind": kind, "step": progress.step, "minutes": round(progress.seconds / 60, 2)}
        line |= {"tokens": progress.tokens, "length": stage.length, "words": words, "stance": stance, **more}
        if not math.isfinite(words + stance):
            raise ConfigError(f"schedule.rate: the loss is not finite at step {progress.step}; try a lower rate")
        with (self.config.run.output / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _save(self) -> Path:
        run = self.config.run
        save_checkpoint(run.output / "checkpoint", self.model, self.optimiser, self.progress, run.part_mib)
        folder = run.output / "encoder"
        self.encoder.encoder.save_pretrained(folder)
        save_tokenizer(self.tokenizer, folder, self.config.encoder.positions)
        heads = {name: tensor for name, tensor in self.encoder.state_dict().items() if not name.startswith("encoder.")}
        save_file(heads, folder / HEADS)
        resolved = self.config.model_dump_json(indent=1)
        (folder / "pretrain.json").write_text(resolved, encoding="utf-8")
        return folder


def _vectors(config: PretrainConfig, tokenizer: Tokenizer, shards: list[Shard]) -> Vectors:
    """Word vectors of the training text, computed once a width."""
    path = config.data.shards / f"vectors-{config.encoder.hidden}.npy"
    if not path.is_file():
        tokens = np.concatenate([shard.tokens for shard in shards])
        found = word_vectors(tokens, tokenizer.get_vocab_size(), config.encoder.hidden, config.run.seed)
        np.save(path, found.astype(np.float16))
    vectors: Vectors = np.load(path, allow_pickle=False).astype(np.float32)
    return vectors


def _vocabulary(tokenizer: Tokenizer, shards: list[Shard], vectors: Vectors, device: torch.device) -> Vocabulary:
    size = tokenizer.get_vocab_size()
    pieces = [str(tokenizer.id_to_token(number)) for number in range(size)]
    frequency = sum(np.bincount(shard.tokens, minlength=size) for shard in shards)
    assert isinstance(frequency, np.ndarray)
    content = frequency < np.sort(frequency)[-max(1, size // 100)]
    content[:FIRST_WORD] = False
    content &= np.array([len(piece.removeprefix("##")) > 1 for piece in pieces])
    return Vocabulary(
        continues=torch.tensor([piece.startswith("##") for piece in pieces], device=device),
        content=torch.from_numpy(content).to(device),
        alternatives=torch.from_numpy(alternatives(pieces, vectors, frequency, _ALTERNATIVES)).long().to(device),
        variants=torch.from_numpy(variants(pieces, frequency)).long().to(device),
    )


def _precision(config: PretrainConfig) -> torch.dtype:
    return torch.bfloat16 if config.run.precision == "bf16" else torch.float32


def _generator(config: PretrainConfig, tokenizer: Tokenizer) -> PretrainModel:
    assert config.generator is not None
    shape = config.generator.model_dump(exclude={"weight"})
    encoder = config.encoder.model_copy(update=shape)
    return PretrainModel(encoder.bert(tokenizer.get_vocab_size()), _precision(config))


def _encoder(config: PretrainConfig, tokenizer: Tokenizer, vectors: Vectors) -> PretrainModel:
    size = tokenizer.get_vocab_size()
    model = PretrainModel(config.encoder.bert(size), _precision(config))
    if config.encoder.start:
        start_from_encoder(model, config.encoder.start, tokenizer)
    elif config.encoder.informed:
        start_from_corpus(model.encoder, vectors)
    return model


def _optimiser(model: nn.Module, schedule: Schedule) -> AdamW:
    """AdamW; matrices decay, biases and norms do not."""
    matrices = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    others = [parameter for parameter in model.parameters() if parameter.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": schedule.decay}, {"params": others, "weight_decay": 0.0}]
    return AdamW(groups, lr=schedule.rate, betas=(0.9, schedule.beta2), eps=1e-6, fused=True)
