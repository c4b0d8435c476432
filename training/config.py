"""A training run as one typed TOML file, checked whole before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from models.errors import ConfigError
from models.labels import SCHEME, Label, Scheme
from training.corpora import Corpus, Name, Share
from training.strict import Strict, first_problem, read_toml

CALIBRATE = "calibrate"
"""The split of corpora that a run is calibrated on, and which it neither learns from nor reports on."""

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Scratch(Strict):
    """A BERT with random weights and a WordPiece tokenizer trained on the run's own texts."""

    layers: Count = 4
    hidden: Count = 192
    heads: Count = 3
    intermediate: Count = 768
    vocabulary: Count = 8000


class Encoder(Strict):
    """Which encoder is adapted: a folder (`path`), a checkpoint of the hub (`name` with `revision`), or `scratch`.

    A bundle's folder is gone on from: its encoder, and its heads where they fit.

    `normaliser` must be the one the encoder was pretrained with. `token_types` overrides the encoder's number of
    token types; 4 marks the tokens that stand on both sides (see models/windows.py).
    """

    path: Name | None = None
    name: Name | None = None
    revision: Name | None = None
    scratch: Scratch | None = None
    normaliser: Literal["arabert-v02", "plain"] = "arabert-v02"
    token_types: Literal[0, 2, 4] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [field for field in ("path", "name", "scratch") if getattr(self, field) is not None]
        if len(given) != 1:
            raise ValueError(f"encoder: exactly one of path, name and scratch must be given, not {len(given)} of them")
        if self.name is not None and self.revision is None:
            raise ValueError(f"encoder.revision: missing; pin the commit of {self.name} that you train on")
        return self


class Windows(Strict):
    """How articles are packed for the encoder (see models/windows.py).

    `apart`: the encoder reads an article once for all its targets, and each target alone; what it read is compared word
    by word (models/alignment.py). Otherwise it reads the article anew beside each target.
    """

    max_tokens: Annotated[int, Field(ge=16)] = 512
    max_target_tokens: Count = 96
    overlap: Annotated[int, Field(ge=0)] = 2
    pooling: Literal["sep", "mean"] = "sep"
    apart: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.max_target_tokens + 4 > self.max_tokens:
            raise ValueError(
                f"windows.max_target_tokens: {self.max_target_tokens}: must leave room in windows.max_tokens, "
                f"{self.max_tokens}"
            )
        return self


class Crops(Strict):
    """What a pass over an article is made of.

    Each pass reads the article `empty` times without a target, once with each of its targets, and, for each of them,
    `foreign` times with a target of another article, toward which all of it is unrelated. Every reading is a random
    contiguous crop, a single sentence with probability `single` and the whole article with probability `whole`. Where
    the encoder reads target and article apart, the readings of a pass are of one crop, and it is read once.
    """

    single: Share = 0.2
    whole: Share = 0.3
    foreign: Annotated[float, Field(ge=0)] = 0.5
    empty: Annotated[int, Field(ge=1)] = 1


class Loss(Strict):
    """Weights of the heads' mean losses, and of items whose label is a set of several answers (`partial`)."""

    types: Positive = 1.0
    primary: Positive = 0.5
    voice: Positive = 1.0
    stance: Positive = 1.0
    partial: Share = 0.1


class Optimisation(Strict):
    """How long and how fast; rates are per update.

    `batch` counts the readings of one process, or its passes over articles where the encoder reads target and article
    apart.

    `average`: the mean of the weights of networks that start alike takes the best one's place if it is better on dev.
    Alike start the first seed's network and the folds', or, where the run goes on from a bundle, all seeds'.
    """

    epochs: Positive = 5.0
    batch: Count = 16
    accumulate: Count = 1
    learning_rate: Positive = 5e-5
    head_learning_rate: Positive = 1e-3
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 0.95
    warmup: Share = 0.1
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    clip: Positive = 1.0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    packing: bool = True
    checkpointing: bool = False
    compile: bool = False
    evaluations: Annotated[int, Field(ge=1)] = 5
    patience: Count | None = None
    average: bool = False
    metric: Literal["types", "voice", "stance", "mean"] = "mean"


class Calibrating(Strict):
    """Predictions that temperatures, sigmoids, thresholds and the document margin are fitted on.

    Those of the run's own network on the corpora of split `calibrate`; where there is none, out-of-fold predictions:
    folds split the articles of the named training corpora (of all, if none is named).
    """

    folds: Annotated[int, Field(ge=2)] = 3
    corpora: list[Name] = []


class OwnType(Strict):
    """One of a run's own claim types, as people will read it."""

    id: Name
    arabic: Name
    english: Name
    definition: Name
    definition_ar: str = ""
    example: str = ""
    checkable: bool = False


class Run(Strict):
    """A whole run. Paths are relative to the TOML's own folder.

    `licence_file` becomes the bundle's LICENSE; `weaknesses_file`, Markdown, a section of its card.
    `half_weights` rounds the trained weights to half precision, which halves model.safetensors; all engines run the
    rounded weights. `baselines` names the training corpora that the report's majority and linear baselines learn from
    (none: no baselines).
    """

    name: Name
    version: Name
    output: Name
    licence: Name
    licence_file: Name | None = None
    weaknesses_file: Name | None = None
    half_weights: bool = False
    baselines: list[Name] = []
    seeds: Annotated[list[int], Field(min_length=1)] = [13]
    corpora: Annotated[list[Corpus], Field(min_length=1)]
    types: list[OwnType] = []
    encoder: Encoder
    windows: Windows = Windows()
    crops: Crops = Crops()
    loss: Loss = Loss()
    optimisation: Optimisation = Optimisation()
    calibration: Calibrating = Calibrating()

    @model_validator(mode="after")
    def _splits(self) -> Self:
        splits = {corpus.split for corpus in self.corpora}
        for needed in ("train", "dev"):
            if needed not in splits:
                raise ValueError(f"corpora: no corpus has split {needed!r}; one is needed")
        names = {corpus.name for corpus in self.corpora if corpus.split == "train"}
        for field, chosen in (("calibration.corpora", self.calibration.corpora), ("baselines", self.baselines)):
            if unknown := set(chosen) - names:
                raise ValueError(f"{field}: {', '.join(sorted(unknown))}: not a training corpus of this run")
        if self.windows.apart and self.encoder.token_types == 4:
            raise ValueError("encoder.token_types: 4: windows.apart reads the two sides apart; use 2 or leave it out")
        if CALIBRATE in splits and self.optimisation.average and len(self.seeds) == 1:
            raise ValueError(
                f"optimisation.average: true: a run with a corpus of split {CALIBRATE!r} trains no folds to average; "
                "give it several seeds"
            )
        return self

    def folds(self) -> int:
        """Networks that are trained for the calibration alone."""
        return 0 if any(corpus.split == CALIBRATE for corpus in self.corpora) else self.calibration.folds

    def scheme(self) -> Scheme:
        """The label scheme of the run: qawl-1, with the run's own claim types if it lists any."""
        if not self.types:
            return SCHEME
        return Scheme(
            name=f"{SCHEME.name}+{self.name}",
            types=tuple(Label(**t.model_dump(exclude={"checkable"})) for t in self.types),
            none=SCHEME.none,
            voices=SCHEME.voices,
            stances=SCHEME.stances,
            checkable=tuple(t.id for t in self.types if t.checkable),
        )


def read_run(path: Path) -> Run:
    """Read and check a run's TOML.

    Raises:
        ConfigError: names the file, the field, its value and what is allowed.
    """
    return read_toml(path, Run)


def with_settings(run: Run, settings: Mapping[str, Any]) -> Run:
    """The run with some settings changed; `section.setting` names one.

    Raises:
        ConfigError: there is no such setting, or the value is out of its range.

    """
    data = run.model_dump()
    for name, value in settings.items():
        *sections, last = name.split(".")
        place: Any = data
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if not isinstance(place, dict) or last not in place:
            raise ConfigError(f"{name}: not a setting of a run")
        place[last] = value
    try:
        return Run.model_validate(data)
    except ValidationError as error:
        raise ConfigError(first_problem(error)) from error
