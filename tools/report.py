"""The report of `--format html`: one page for a folder of articles and a list of targets.

Who stands where on what, which paper makes which claims, and the sentences behind each number. The page holds
everything it needs: no request goes out.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.errors import ConfigError
from models.labels import MIXED, NONE, SCHEME, VOICES, Label, Stance, Voice
from qawl import Sentence, Tags
from tools.chart import ENOUGH, Bar, diverging

TARGETS = 20
"""Targets with a section of their own: the given ones first, then those of most articles."""
_EVIDENCE = 200
"""Sentences kept for each number, the surest first; more would make the page too heavy to open."""
_ARTICLES = 1000
_STRONGEST = 3
_KEPT_STANCES = (str(Stance.AGREE), str(Stance.DISAGREE), str(Stance.DISCUSS))


@dataclass(slots=True)
class Source:
    """What one paper's articles hold; keys of the counters are labels."""

    name: str
    articles: int = 0
    sentences: int = 0
    checkable: int = 0
    types: Counter[str] = field(default_factory=Counter)
    voices: Counter[str] = field(default_factory=Counter)

    def share(self, count: int) -> float:
        """Part of the sentences, in percent."""
        return 100 * count / self.sentences if self.sentences else 0.0


@dataclass(slots=True)
class Cell:
    """One source on one target: sentences by stance and voice, articles by document stance."""

    sentences: Counter[tuple[str, str]] = field(default_factory=Counter)
    articles: Counter[str] = field(default_factory=Counter)

    def count(self, stance: str) -> int:
        """Sentences that take a stance."""
        return sum(self.sentences[stance, voice] for voice in VOICES)

    @property
    def related(self) -> int:
        """Sentences about the target."""
        return sum(self.count(stance) for stance in _KEPT_STANCES)

    @property
    def net(self) -> float:
        """From -1 (all that is about it disagrees) to 1 (all agrees)."""
        sides = self.count(Stance.AGREE) - self.count(Stance.DISAGREE)
        return sides / self.related if self.related else 0.0

    @property
    def few(self) -> bool:
        """Whether this is too little to compare sources by; it is shown faint."""
        return self.related < ENOUGH

    def bar(self) -> Bar:
        """The bar of this cell: parts are shares of the sentences about the target."""
        n = max(self.related, 1)
        own = {stance: self.sentences[stance, str(Voice.AUTHOR)] / n for stance in _KEPT_STANCES}
        return Bar(own=own, others={s: self.count(s) / n - own[s] for s in _KEPT_STANCES}, n=self.related)


class Tally:
    """Counts over all replies, and the surest sentences behind each count."""

    def __init__(self) -> None:
        self.sources: dict[str, Source] = {}
        self.cells: dict[str, dict[str, Cell]] = defaultdict(lambda: defaultdict(Cell))
        self.articles: list[dict[str, Any]] = []
        self.count = 0
        self.model: dict[str, str] = {}
        self._evidence: dict[str, list[tuple[float, int, dict[str, Any]]]] = defaultdict(list)
        self._seen = 0

    def add(self, entry: dict[str, Any]) -> None:
        """Count one article: `source`, `file`, `title` and its `reply`."""
        tags = Tags.from_json(entry["reply"])
        self.model = tags.model
        source = self.sources.setdefault(entry["source"], Source(entry["source"]))
        source.articles += 1
        targets = {target.index: target.text for target in tags.targets if target.source == "caller"}
        for sentence in tags.sentences:
            self._add_sentence(source, sentence, targets, tags.id or entry["file"])
        for stance in tags.document:
            if stance.target in targets:
                label = MIXED if stance.mixed else stance.label
                self.cells[targets[stance.target]][source.name].articles[label] += 1
        self.count += 1
        if len(self.articles) < _ARTICLES:
            self.articles.append(_article_row(entry, tags, source.name, targets))

    def _add_sentence(self, source: Source, s: Sentence, targets: dict[int, str], article: str) -> None:
        source.sentences += 1
        source.checkable += s.checkable
        source.voices[s.voice.label] += 1
        row = {
            "a": article,
            "s": source.name,
            "x": s.text,
            "y": [scored.label for scored in s.types],
            "v": s.voice.label,
        }
        for scored in s.types:
            source.types[scored.label] += 1
            self._keep(["type", source.name, scored.label], scored.score, row)
        for stance in s.stances:
            if stance.target in targets and stance.label is not None and stance.score is not None:
                target = targets[stance.target]
                self.cells[target][source.name].sentences[stance.label, s.voice.label] += 1
                if stance.label in _KEPT_STANCES:
                    self._keep(["stance", source.name, target, stance.label], stance.score, row)

    def _keep(self, key: list[str], score: float, row: dict[str, Any]) -> None:
        heap = self._evidence[json.dumps(key, ensure_ascii=False)]
        self._seen += 1
        entry = (score, -self._seen, row)
        if len(heap) < _EVIDENCE:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)

    def evidence(self, key: list[str]) -> list[dict[str, Any]]:
        """The sentences behind a number, the surest first, each with the score that put it there."""
        heap = self._evidence.get(json.dumps(key, ensure_ascii=False), [])
        return [{**row, "p": round(score, 2)} for score, _, row in sorted(heap, reverse=True, key=lambda e: e[:2])]

    def compact(self, targets: list[str]) -> dict[str, Any]:
        """The evidence for the page's script: each sentence once, and lists of [its number, score]."""
        rows: list[dict[str, Any]] = []
        numbers: dict[int, int] = {}
        lists: dict[str, list[list[float]]] = {}
        for key, heap in self._evidence.items():
            parts = json.loads(key)
            if parts[0] == "stance":
                if parts[2] not in targets:
                    continue
                parts[2] = str(targets.index(parts[2]))
            for _, _, row in heap:
                if id(row) not in numbers:
                    numbers[id(row)] = len(rows)
                    rows.append(row)
            surest = sorted(heap, reverse=True, key=lambda entry: entry[:2])
            lists["\t".join(parts)] = [[numbers[id(row)], round(score, 2)] for score, _, row in surest]
        return {"rows": rows, "lists": lists}


def _article_row(entry: dict[str, Any], tags: Tags, source: str, targets: dict[int, str]) -> dict[str, Any]:
    name = entry.get("title") or (tags.sentences[0].text if tags.sentences else tags.id)
    return {
        "id": tags.id or entry["file"],
        "name": name,
        "source": source,
        "sentences": len(tags.sentences),
        "checkable": sum(s.checkable for s in tags.sentences),
        "stances": {targets[d.target]: MIXED if d.mixed else d.label for d in tags.document if d.target in targets},
    }


def chosen_targets(cells: dict[str, dict[str, Cell]], asked: Iterable[str]) -> list[str]:
    """The targets with a section: those asked for, then those of most articles."""
    first = [target for target in asked if target in cells]
    others = sorted(
        (target for target in cells if target not in first),
        key=lambda target: -sum(sum(cell.articles.values()) for cell in cells[target].values()),
    )
    return [*first, *others][:TARGETS]


def render(entries: Iterable[dict[str, Any]], asked: Iterable[str] = ()) -> str:
    """The page for these articles."""
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise ConfigError("--format html: needs jinja2: pip install jinja2") from error
    tally = Tally()
    for entry in entries:
        tally.add(entry)
    targets = chosen_targets(tally.cells, asked)
    folder = Path(__file__).parent / "report_template"
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    types = _type_labels(tally.sources.values())
    sources = sorted(tally.sources.values(), key=lambda source: (-source.sentences, source.name))
    page = environment.get_template("report.html.j2").render(
        tally=tally,
        sources=sources,
        speaking=[s for s in sources if any(tally.cells[t][s.name].related for t in targets)],
        targets=[_target(tally, number, target) for number, target in enumerate(targets)],
        left_out=len(tally.cells) - len(targets),
        types=types,
        voices=SCHEME.voices,
        stances={label.id: label for label in SCHEME.stances},
        kept=_KEPT_STANCES,
        own_voice=str(Voice.AUTHOR),
        checkable=SCHEME.checkable,
        diverging=diverging,
        evidence=tally.compact(targets),
        names={label.id: [label.arabic, label.english] for label in (*types, *SCHEME.voices, *SCHEME.stances)},
    )
    return str(page)


def _target(tally: Tally, number: int, text: str) -> dict[str, Any]:
    """A target's section: a row a source, the whole, and the surest sentences of each side."""
    rows = [(name, cell) for name, cell in tally.cells[text].items() if cell.related]
    whole = Cell()
    for cell in tally.cells[text].values():
        whole.sentences += cell.sentences
        whole.articles += cell.articles
    strongest = {
        stance: sorted(
            (row for name, _ in rows for row in tally.evidence(["stance", name, text, stance])[:_STRONGEST]),
            key=lambda row: -row["p"],
        )[:_STRONGEST]
        for stance in (str(Stance.AGREE), str(Stance.DISAGREE))
    }
    rows.sort(key=lambda row: (-row[1].related, row[0]))
    silent = len(tally.sources) - len(rows)
    return {"number": number, "text": text, "rows": rows, "silent": silent, "whole": whole, "strongest": strongest}


def _type_labels(sources: Iterable[Source]) -> list[Label]:
    """The scheme's claim types and a bundle's own, `none` last."""
    seen = {label for source in sources for label in source.types}
    own = sorted(seen - set(SCHEME.type_ids) - {NONE})
    return [*SCHEME.types, *(Label(name, name, name, "", "") for name in own), SCHEME.none]


def read_spool(path: Path) -> Iterator[dict[str, Any]]:
    """The articles that `qawl tag` spooled."""
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            yield json.loads(line)


def write_report(spool: Path, output: Path, targets: Iterable[str] = ()) -> None:
    """Write the page for a spool of `{"source", "file", "title", "reply"}` lines."""
    whole = output.with_name(f"{output.name}.whole")
    whole.write_text(render(read_spool(spool), targets), encoding="utf-8")
    whole.replace(output)
