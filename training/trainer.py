"""transformers' Trainer with Qawl's loss, learning rates and dev scores."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, Sampler, SequentialSampler
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import EarlyStoppingCallback

from models import bert
from models.engines import Heads
from models.network import Answers, Network, head_losses
from training.batching import Collator
from training.config import Optimisation, Run
from training.reads import Reading, Reads

LOG = "log.jsonl"
"""Every logged number of a run, one JSON object a line."""


class QawlTrainer(Trainer):
    """Optimises the heads' mean losses; each head is normalised by its labelled items over all processes."""

    def __init__(self, *, run: Run, heads: Heads, score: Callable[[Network], dict[str, float]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._reads: Reads = kwargs["train_dataset"]
        self._run, self._heads, self._score = run, heads, score
        # The loss is already a mean; gradient accumulation must divide it.
        self.model_accepts_loss_kwargs = False

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Weighted sum of the heads' losses; `num_items_in_batch` is the Trainer's and not used."""
        logits = model(**inputs["inputs"])
        loss = self.combine(head_losses(logits, Answers(**inputs["answers"]), self._heads))
        return (loss, logits) if return_outputs else loss

    def combine(self, losses: dict[str, tuple[Tensor, Tensor]]) -> Tensor:
        """Mean loss of each head over all processes' labelled items, weighted and summed.

        Gradients are averaged over processes, so each process's share is multiplied by their number.
        """
        weights, world = self._run.loss, self.args.world_size
        counts = torch.stack([count for _, count in losses.values()]).detach()
        if world > 1:
            torch.distributed.all_reduce(counts)
        total = torch.zeros((), device=counts.device)
        for (name, (value, _)), count in zip(losses.items(), counts, strict=True):
            total = total + getattr(weights, name) * world * value / count.clamp(min=1e-6)
        return total

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW with a rate per layer: the heads' own, then falling by `layer_decay` from the top layer down."""
        if self.optimizer is None:
            optimisation = self._run.optimisation
            groups = parameter_groups(self.model, optimisation)
            self.optimizer = torch.optim.AdamW(groups, lr=optimisation.learning_rate, fused=True)
        return self.optimizer

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Macro-F1 of each head on the run's dev articles, read as serving reads them."""
        network: Network = self.accelerator.unwrap_model(self.model, keep_torch_compile=False)
        training = network.training
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in self._score(network).items()}
        network.train(training)
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _get_train_sampler(self, train_dataset: Dataset[Reading] | None = None) -> Sampler[int]:
        # `Reads` shuffles by itself, so that an index means the same reading after a resume.
        return SequentialSampler(self._reads)


class JsonLog(TrainerCallback):
    """Appends every logged number to `log.jsonl`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Write one line."""
        if state.is_world_process_zero:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": state.global_step, **(logs or {})}) + "\n")


def parameter_groups(model: nn.Module | None, optimisation: Optimisation) -> list[dict[str, Any]]:
    """Optimiser groups by learning rate and weight decay (none for biases and norms)."""
    network: Any = model
    # torch.compile and distributed training wrap the network.
    while not isinstance(network, Network):
        network = network.module if hasattr(network, "module") else network._orig_mod
    depth = int(getattr(network.encoder.config, "num_hidden_layers", 1))
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if not name.startswith("encoder."):
            rate = optimisation.head_learning_rate
        else:
            rate = optimisation.learning_rate * optimisation.layer_decay ** (depth - _level(name, depth))
        decay = optimisation.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": members, "lr": rate, "weight_decay": decay} for (rate, decay), members in groups.items()]


def _level(name: str, depth: int) -> int:
    """0 for the embeddings, 1 for the lowest layer, `depth` for the top one."""
    parts = name.split(".")
    numbers = [int(part) for part in parts if part.isdigit()]
    if any(part in ("embeddings", "tok_embeddings") for part in parts):
        return 0
    return min(numbers[0] + 1, depth) if numbers else depth


def make_trainer(
    run: Run,
    network: Network,
    reads: Reads,
    score: Callable[[Network], dict[str, float]],
    folder: Path,
    *,
    seed: int,
    log: bool = True,
) -> QawlTrainer:
    """A Trainer for one network and seed; checkpoints and logs go to `folder`."""
    optimisation = run.optimisation
    arguments = _arguments(optimisation, len(reads), folder, seed)
    callbacks: list[TrainerCallback] = [JsonLog(folder / LOG)] if log else []
    if optimisation.patience is not None:
        callbacks.append(EarlyStoppingCallback(optimisation.patience))
    if optimisation.checkpointing:
        network.encoder.gradient_checkpointing_enable()  # type: ignore[no-untyped-call]
    types = run.scheme().type_ids
    one_row = bert.is_bert(network.encoder) and not torch.cuda.is_available()
    collator = Collator(network.spec, types, run.loss.partial, packing=optimisation.packing, one_row=one_row)
    return QawlTrainer(
        model=network,
        args=arguments,
        train_dataset=reads,
        # Never read: `evaluate` scores the dev articles itself, but the Trainer wants one.
        eval_dataset=reads,
        data_collator=collator,
        callbacks=callbacks,
        run=run,
        heads=Heads(len(types)),
        score=score,
    )


def readings_a_step(optimisation: Optimisation) -> int:
    """Readings of one update over all processes."""
    # torchrun says how many processes there are before any of them has joined the group.
    return optimisation.batch * optimisation.accumulate * int(os.environ.get("WORLD_SIZE", "1"))


def _arguments(o: Optimisation, readings: int, folder: Path, seed: int) -> TrainingArguments:
    cuda = torch.cuda.is_available()
    steps = readings // readings_a_step(o)
    every = max(1, steps // o.evaluations)
    folder.mkdir(parents=True, exist_ok=True)
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=o.batch,
        gradient_accumulation_steps=o.accumulate,
        learning_rate=o.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=round(o.warmup * steps),
        weight_decay=o.weight_decay,
        max_grad_norm=o.clip,
        bf16=o.precision == "bf16" or (o.precision == "auto" and cuda and torch.cuda.is_bf16_supported()),
        use_cpu=not cuda,
        torch_compile=o.compile,
        seed=seed,
        data_seed=seed,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model=f"eval_{o.metric}",
        greater_is_better=True,
        logging_steps=max(1, every // 10),
        report_to=["tensorboard"],
        disable_tqdm=None,
        remove_unused_columns=False,
        dataloader_num_workers=0,
        dataloader_pin_memory=cuda,
    )
    # Several GPUs are torchrun's business: without it one is used, not torch's slow data parallelism in threads.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments
