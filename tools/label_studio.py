"""Label Studio's formats: its labelling configuration from our label scheme, tasks from replies, and labels back.

A sentence is a region of the text with the choices `types`, `primary`, `voice` and `stance_1` to `stance_N`.
Offsets are code points, as Label Studio counts them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from models.errors import DataError
from models.labels import SCHEME, Label, Scheme
from tools.articles import Article

_REGION = "sentence"
_TARGET = "target_"
_HEADINGS = {
    "types": "أنواع الادّعاء · Claim types",
    "primary": "النوع الأول · Primary type",
    "voice": "الصوت · Voice",
}


def config(targets: int, scheme: Scheme = SCHEME) -> str:
    """The labelling configuration for articles with up to `targets` targets."""
    view = Xml.Element("View")
    text = Xml.SubElement(view, "View", style="direction: rtl; text-align: right; font-size: 1.15em; line-height: 1.9")
    Xml.SubElement(text, "Header", value="$title")
    Xml.SubElement(text, "Text", name="text", value="$text", granularity="word")
    labels = Xml.SubElement(view, "Labels", name=_REGION, toName="text")
    Xml.SubElement(labels, "Label", value=_REGION, background="#0b5a8a")
    types = (*scheme.types, scheme.none)
    _choices(view, "types", _HEADINGS["types"], types, many=True)
    _choices(view, "primary", _HEADINGS["primary"], types)
    _choices(view, "voice", _HEADINGS["voice"], scheme.voices)
    for number in range(1, targets + 1):
        _choices(view, f"stance_{number}", f"${_TARGET}{number}", scheme.stances)
    Xml.indent(view)
    return Xml.tostring(view, encoding="unicode") + "\n"


def _choices(view: Xml.Element, name: str, heading: str, labels: Iterable[Label], *, many: bool = False) -> None:
    box = Xml.SubElement(view, "View", visibleWhen="region-selected", style="direction: rtl; text-align: right")
    Xml.SubElement(box, "Header", value=heading, size="5")
    kind = "multiple" if many else "single-radio"
    choices = Xml.SubElement(
        box, "Choices", name=name, toName="text", perRegion="true", choice=kind, showInline="true", required="true"
    )
    for label in labels:
        shown = f"{label.arabic} · {label.english}"
        hint = " · ".join(filter(None, (label.definition_ar, label.definition)))
        Xml.SubElement(choices, "Choice", value=shown, alias=label.id, hint=hint)


def whole_text(article: Article) -> Article:
    """The article as one text with spans, for an annotator reads it whole: its sentences become its lines."""
    sentences = article.request.get("sentences")
    if sentences is None:
        return article
    spans, at = [], 0
    for sentence in sentences:
        spans.append([at, at + len(sentence)])
        at += len(sentence) + 1
    request = {name: value for name, value in article.request.items() if name != "sentences"}
    return Article(article.place, request | {"text": "\n".join(sentences), "spans": spans}, article.source)


def task(article: Article, reply: Mapping[str, Any], columns: int) -> dict[str, Any]:
    """One task with its prediction; `columns` is the number of targets of the configuration."""
    targets = [target["text"] for target in reply["targets"]]
    data: dict[str, Any] = {
        "id": reply["id"],
        "text": article.request["text"],
        "title": article.request.get("title", ""),
        "source": article.source,
        "targets": targets,
    }
    for number in range(1, columns + 1):
        data[f"{_TARGET}{number}"] = targets[number - 1] if number <= len(targets) else "—"
    model = reply["model"]
    scores = [s["voice"]["score"] for s in reply["sentences"]] or [0.0]
    prediction = {
        "model_version": f"{model['name']} {model['version']}",
        "score": sum(scores) / len(scores),
        "result": [result for s in reply["sentences"] for result in _regions(s)],
    }
    return {"data": data, "predictions": [prediction]}


def columns_of(tasks: Path) -> int:
    """The number of targets that the configuration of these tasks has.

    Raises:
        DataError: not tasks.

    """
    names = {name for one in _tasks(tasks, "tasks for Label Studio") for name in one["data"]}
    return sum(name.startswith(_TARGET) for name in names)


def _regions(s: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    answers = {
        "types": [scored["label"] for scored in s["types"]],
        "primary": [s["primary"]],
        "voice": [s["voice"]["label"]],
    }
    answers |= {f"stance_{st['target'] + 1}": [st["label"]] for st in s["stances"] if st["label"] is not None}
    place = {"start": s["start"], "end": s["end"], "text": s["text"]}
    common = {"id": f"s{s['index']}", "to_name": "text"}
    yield common | {"from_name": _REGION, "type": "labels", "value": place | {"labels": [_REGION]}}
    for name, chosen in answers.items():
        yield common | {"from_name": name, "type": "choices", "value": place | {"choices": chosen}}


@dataclass(frozen=True, slots=True)
class Labelled:
    """An article in the canonical format, and whose labels these are."""

    article: dict[str, Any]
    annotator: str
    place: str


def labelled(path: Path, annotator: str | None = None) -> Iterator[Labelled]:
    """The labelled articles of an export (JSON), the last annotation of each task.

    Tasks without an annotation (by `annotator`, if named) are left out.

    Raises:
        DataError: not an export, or an annotation that fits no text; names the task.

    """
    for number, one in enumerate(_tasks(path, "a JSON export of Label Studio"), start=1):
        given = [a for a in one.get("annotations", []) if not a.get("was_cancelled")]
        given = [a for a in given if annotator is None or _author(a) == annotator]
        if given:
            last = max(enumerate(given), key=lambda pair: (str(pair[1].get("updated_at", "")), pair[0]))[1]
            place = f"{path}: task {one.get('id', number)}"
            yield Labelled(_article(one["data"], last, place), _author(last), place)


def _tasks(path: Path, what: str) -> list[dict[str, Any]]:
    try:
        tasks = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not {what}: {error}") from error
    if not isinstance(tasks, list) or not all(isinstance(one, dict) and "data" in one for one in tasks):
        raise DataError(f"{path}: not {what}: must be a list of tasks with data")
    return tasks


def _author(annotation: Mapping[str, Any]) -> str:
    by = annotation.get("completed_by", "")
    return str(by.get("email", by.get("id", ""))) if isinstance(by, dict) else str(by)


def _article(data: Mapping[str, Any], annotation: Mapping[str, Any], place: str) -> dict[str, Any]:
    text, targets = data["text"], list(data.get("targets", []))
    regions: dict[str, dict[str, Any]] = {}
    for result in annotation.get("result", []):
        value = result.get("value", {})
        if result.get("from_name") == _REGION:
            regions.setdefault(result["id"], {})["span"] = _span(text, value, place)
        elif "choices" in value:
            regions.setdefault(result["id"], {})[result["from_name"]] = value["choices"]
    found = sorted((one for one in regions.values() if "span" in one), key=lambda one: one["span"])
    article = {"id": str(data.get("id", place)), "targets": targets, "source": data.get("source")}
    sentences = [_sentence(text, one, len(targets)) for one in found]
    title = data.get("title")
    if title:
        unknown = {"text": title, "types": None, "voice": None, "attributions": [], "stances": [None] * len(targets)}
        sentences.insert(0, unknown)
    return article | {"sentences": sentences}


def _sentence(text: str, region: Mapping[str, Any], targets: int) -> dict[str, Any]:
    start, end = region["span"]
    types, primary = region.get("types"), region.get("primary")
    if types and primary and primary[0] in types:
        types = [primary[0], *(name for name in types if name != primary[0])]
    stances = [region.get(f"stance_{number}", [None])[0] for number in range(1, targets + 1)]
    voice = region.get("voice", [None])[0]
    return {"text": text[start:end], "types": types, "voice": voice, "attributions": [], "stances": stances}


def _span(text: str, value: Mapping[str, Any], place: str) -> tuple[int, int]:
    """The region's code points; an export that counts otherwise is put right by the text it carries."""
    start, end, words = int(value["start"]), int(value["end"]), value.get("text")
    if words is None or text[start:end] == words:
        span = (start, end)
    else:
        # Releases of Label Studio that count UTF-16 units are off by one for each emoji before the region.
        found = [at for at in range(max(0, start - len(text)), start + 1) if text.startswith(words, at)]
        if not found:
            raise DataError(f"{place}: the region at {start} is not in the text: {words[:40]!r}")
        span = (found[-1], found[-1] + len(words))
    stripped = text[span[0] : span[1]]
    lead = len(stripped) - len(stripped.lstrip())
    return span[0] + lead, span[0] + lead + len(stripped.strip())
