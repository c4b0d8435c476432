"""`qawl tune CONFIG SPACE`: searches a run's settings with Optuna; the study file lets it go on after a stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import tomli_w
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from pydantic import RootModel, model_validator

from models.calibrate import Calibration
from models.network import Network
from training.config import read_run, with_settings
from training.predict import dev_scores, predict
from training.strict import Strict, read_toml
from training.train import Prepared, fit_network, prepare


class Range(Strict):
    """Values of one setting: one of `choices`, or a number from `low` to `high` (whole ones if both are)."""

    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    choices: list[str | float | int | bool] | None = None

    @model_validator(mode="after")
    def _whole(self) -> Range:
        if (self.choices is None) == (self.low is None or self.high is None):
            raise ValueError("give either choices, or both low and high")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low: {self.low}: must be less than high, {self.high}")
        return self

    def suggest(self, trial: optuna.Trial, name: str) -> Any:
        """Draw a value for a trial."""
        if self.choices is not None:
            return trial.suggest_categorical(name, self.choices)
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, log=self.log)
        assert self.low is not None
        assert self.high is not None
        return trial.suggest_float(name, self.low, self.high, log=self.log)


class Space(RootModel[dict[str, Range]]):
    """A search space: `["section.setting"]` tables of a TOML file."""


def tune(config: Path, space: Path, *, trials: int, study: Path | None = None) -> Path:
    """Run trials until the study has `trials` of them and write the best run beside the study file.

    Raises:
        ConfigError, DataError: the config, the space or a corpus cannot be used.

    """
    run, ranges = read_run(config), read_toml(space, Space).root
    with_settings(run, {})
    work = Path("runs/out") / f"{run.name}-tune"
    study = study or work / "study.journal"
    study.parent.mkdir(parents=True, exist_ok=True)
    searched = optuna.create_study(
        study_name=run.name,
        storage=JournalStorage(JournalFileBackend(str(study))),
        direction="maximize",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=run.seeds[0]),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )
    prepared = prepare(run, config.parent)
    done = len(searched.get_trials(states=(optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)))
    searched.optimize(lambda trial: _objective(trial, prepared, ranges, work), n_trials=max(0, trials - done))
    best = with_settings(run, searched.best_params)
    found = study.with_suffix(".toml")
    found.write_text(tomli_w.dumps(best.model_dump(exclude_none=True)), encoding="utf-8")
    return found


def _objective(trial: optuna.Trial, prepared: Prepared, ranges: Mapping[str, Range], work: Path) -> float:
    """Dev score of one network with the trial's settings; poor ones are stopped at an evaluation."""
    chosen = {name: values.suggest(trial, name) for name, values in ranges.items()}
    run = with_settings(prepared.run, chosen)
    changed = replace(prepared, run=run)
    neutral = Calibration.neutral(prepared.scheme)
    metric = run.optimisation.metric
    seen = 0

    def score(network: Network) -> dict[str, float]:
        nonlocal seen
        scores = dev_scores(predict(network, changed.dev), neutral, changed.scheme)
        seen += 1
        trial.report(scores[metric], seen)
        if trial.should_prune():
            raise optuna.TrialPruned
        return scores

    network = fit_network(changed, changed.train, run.seeds[0], work / f"trial-{trial.number}", score=score)
    return dev_scores(predict(network, changed.dev), neutral, changed.scheme)[metric]
