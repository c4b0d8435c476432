"""How a run's TOML declares a corpus: where it is, its format, its fields and what its labels allow."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from models.labels import NONE, STANCES, VOICES
from training.strict import Strict

Format = Literal["canonical", "pairs", "sentences", "arastance", "unified-fc"]
Name = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Fields(Strict):
    """Which field of a row holds what; `a.b` is field b of a nested a. What is left out has the format's default.

    Several `label` fields are joined by `/` before they are looked up in the label map. Rows of the pairs
    format with equal `group` fields are sentences of one article, in the order of the file.
    """

    text: Name | None = None
    target: Name | None = None
    label: Name | list[Name] | None = None
    id: Name | None = None
    group: Name | list[Name] | None = None
    source: Name | None = None
    rationale: Name | None = None


class Answers(Strict):
    """What one label of a corpus allows, head by head; a head that is left out is not known.

    `types` says of each named claim type whether it holds; `{none = true}` says that none does.
    """

    stance: list[str] | None = None
    voice: list[str] | None = None
    primary: list[str] | None = None
    types: dict[str, bool] | None = None

    @field_validator("stance", "voice")
    @classmethod
    def _known(cls, value: list[str] | None, info: object) -> list[str] | None:
        allowed = STANCES if getattr(info, "field_name", "") == "stance" else VOICES
        if value is not None and (not value or not set(value) <= set(allowed)):
            raise ValueError(f"{value}: must be one or more of {', '.join(allowed)}")
        return value

    @field_validator("types")
    @classmethod
    def _consistent(cls, value: dict[str, bool] | None) -> dict[str, bool] | None:
        if value and value.get(NONE) and any(holds for name, holds in value.items() if name != NONE):
            raise ValueError(f"{value}: {NONE} excludes every other type")
        return value


class Compose(Strict):
    """Pair rows put together into pseudo-articles, so that a model must read the sentence and not only the target.

    Rows with one target stay together; up to `targets` targets join in one pseudo-article, which sentences
    of other rows fill up to a length drawn between `minimum` and `maximum`. Each sentence is `unrelated` to
    the targets of the other rows, unless it shares more than `overlap` of the target's words, in which case
    nothing is known. `share` of the rows is composed; the others stay articles of one sentence.
    """

    minimum: Annotated[int, Field(ge=2)] = 4
    maximum: Annotated[int, Field(ge=2)] = 10
    targets: Annotated[int, Field(ge=1)] = 4
    overlap: Share = 0.25
    share: Share = 1.0
    seed: int = 0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.maximum < self.minimum:
            raise ValueError(f"compose.maximum: {self.maximum}: must be at least compose.minimum, {self.minimum}")
        return self


class Corpus(Strict):
    """One corpus of a run.

    `path` is relative to the root that the loader is given and may hold wildcards; `hub` is the id of a
    data set read through `datasets`, with its `config`, `revision` and `hub_split` (default: `split`).
    `split` says what the corpus is for (`train`, `dev`, `test`); with `splits`, a JSON file of
    `{split: [ids]}`, only the articles listed under it are taken. Articles are kept by id prefix with
    `keep`, left out with `drop`, and weighed by `weight` times the weight of the longest matching prefix in
    `weights`. Rows of the pairs and sentences formats whose label is in `skip` are left out on purpose and
    counted. `texts` are the files that hold the texts of canonical articles whose labels lie apart (see
    training/standoff.py). `drop_shared` leaves out training articles that also stand in another split, instead of
    refusing the run. `quoted` says whether csv and tsv fields may stand in quotation marks. `licence` and
    `url` are for the model card.
    """

    name: Name
    path: Name | None = None
    hub: Name | None = None
    config: Name | None = None
    revision: Name | None = None
    hub_split: Name | None = None
    split: Name = "train"
    splits: Name | None = None
    texts: Name | list[Name] | None = None
    format: Format
    fields: Fields = Fields()
    labels: dict[str, Answers] = {}
    weight: Annotated[float, Field(gt=0)] = 1.0
    weights: dict[str, Annotated[float, Field(ge=0)]] = {}
    keep: list[Name] = []
    drop: list[Name] = []
    drop_shared: bool = False
    skip: list[Name] = []
    compose: Compose | None = None
    quoted: bool = True
    licence: str | None = None
    url: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.path is None) == (self.hub is None):
            raise ValueError(f"corpus {self.name}: path, hub: exactly one of them must be given")
        if self.hub is None and (self.config or self.revision or self.hub_split):
            raise ValueError(f"corpus {self.name}: config, revision, hub_split: only go with hub")
        if self.format == "sentences" and not self.labels:
            raise ValueError(f"corpus {self.name}: labels: the sentences format needs a label map")
        if self.format == "canonical" and (self.labels or self.fields != Fields()):
            raise ValueError(f"corpus {self.name}: fields, labels: canonical articles have their own")
        if self.texts and (self.format != "canonical" or self.hub):
            raise ValueError(f"corpus {self.name}: texts: only go with canonical articles of a path")
        if self.compose and self.format != "pairs":
            raise ValueError(f"corpus {self.name}: compose: only the pairs format can be composed")
        return self

    def weight_of(self, article_id: str) -> float:
        """The weight of one article."""
        prefixes = [prefix for prefix in self.weights if article_id.startswith(prefix)]
        return self.weight * (self.weights[max(prefixes, key=len)] if prefixes else 1.0)

    def takes(self, article_id: str) -> bool:
        """Whether `keep` and `drop` let an article in."""
        kept = not self.keep or article_id.startswith(tuple(self.keep))
        return kept and not article_id.startswith(tuple(self.drop))
