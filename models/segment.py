"""Cuts Arabic news text into sentences: code point spans into the text as received.

`sentencex` proposes the ends of sentences, line by line; the rules of the labelling guideline decide. A
sentence ends at the end of its line or at `.`, `…`, `!`, `?`, `؟` before a blank, with the closing quotes
and brackets that follow the stop. It does not end

- inside quotation marks that are closed on the same line (a stray one protects nothing),
- after two or more dots with text behind them (بالصور.. الأسد),
- after a lone letter (د. أحمد، J. Smith), unless a number stands before it (9 ص.، 2015 م.),
- after the number of an item (1. قال) or within a date (12. 5. 2015),
- where what is left over would hold no letter and no digit: that goes to its neighbour on the line.

Time is linear in the text, whatever it holds.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

import sentencex  # type: ignore[import-untyped]

VERSION = "1"
"""Changes whenever the spans of any text change; bundles store it."""

# Direction marks and the like often stand between a stop and its blank.
_INVISIBLE = "\u061c\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
_END = re.compile(rf"([.…!?؟]+)[\"“”„‟«»‹›'‘’)\]}}{_INVISIBLE}]*+(?=\s|$)")
_WORD = re.compile(r"[^\W_]")
# د. and J., also behind a conjunction (ود. أحمد) or another initial (أ.د.).
_INITIAL = re.compile(r"(?:^|[^\w\u064b-\u0652])(?:[^\W\d_]|و[دأام])$")
_UNIT = re.compile(r"\d\s[مصهكغطق]$")
_ITEM = re.compile(r"[\W_]*(?:\d{1,3}|[^\W\d_])\.")
_DATE = re.compile(r"(?<!\d)\d{1,2}\.\s?\d{1,2}\.\s?\d{2,4}(?!\d)")
# What sentencex must not see: quotation marks (one that stays open costs it quadratic time and hides the
# ends behind it), brackets and bullets (it looks for no end behind some) and lone surrogates (it raises).
_HIDDEN = dict.fromkeys(map(ord, "\"'`«»‘’‚‛“”„‟‹›()[]{}•⁃⁌⁍■□▪▫▶▸►◆◇○●◦★☆➢➣➤"), " ")
_HIDDEN.update(dict.fromkeys(range(0xD800, 0xE000), " "))

_QUOTE = re.compile('["“”„‟«»‹›]')
_GUILLEMETS = "«»‹›"
_OPENING = "“„‟«‹"
# A blank, a colon, a bracket …, and then perhaps a prefix that is written on to the quoted word (ال"زراعة").
_BEFORE_OPENING = re.compile(r"(?:^|[^\w.!?؟…»”\"])[وفبكلس]{0,2}(?:ال|لل)?\u0640?$")
_AFTER_CLOSING = re.compile(r"$|[\s.…!?؟,،؛:)\]}»”]")


def segment(text: str) -> list[tuple[int, int]]:
    """Return the sentences of `text` in order as (start, end), `text[start:end]` without outer blanks.

    Spans are disjoint, and every character that is not white space lies in one of them.
    """
    spans: list[tuple[int, int]] = []
    offset = 0
    for line in text.splitlines(keepends=True):
        begin = 0
        for end in (*_ends(line), len(line)):
            sentence = line[begin:end]
            start = begin + len(sentence) - len(sentence.lstrip())
            stop = begin + len(sentence.rstrip())
            if start < stop:
                spans.append((offset + start, offset + stop))
            begin = end
        offset += len(line)
    return spans


def _ends(line: str) -> list[int]:
    """Where sentences end within `line`, which is one line; its own end is left out."""
    stops = list(_END.finditer(line))
    if not stops:
        return []
    proposed = _proposed(line)
    quoted = _merged(_quoted(line))
    dates = [match.span() for match in _DATE.finditer(line)]
    ends: list[int] = []
    start = 0
    word = _WORD.search(line)
    for match in stops:
        end = match.end()
        if word and word.start() < start:
            word = _WORD.search(line, start)
        if word is None or word.start() >= end:
            # Nothing to read since the last end: this belongs to the sentence before, if there is one.
            if ends:
                start = ends[-1] = end
            continue
        if _within(quoted, end - 1) or _within(dates, match.start()):
            continue
        # sentencex knows Latin abbreviations, but takes no end behind `…` or the unit of a number.
        sure = "…" in match[1] or _after_unit(line, match.start())
        if not sure and not _any_between(proposed, match.start(), end):
            continue
        if not _continues(line, start, match):
            ends.append(end)
            start = end
    if ends and not _WORD.search(line, ends[-1]):
        ends.pop()
    return ends


def _continues(line: str, start: int, stop: re.Match[str]) -> bool:
    """Whether the sentence that began at `start` goes on after the dots of `stop`."""
    marks = stop[1]
    if marks != "." * len(marks):
        return False
    if len(marks) > 1:
        return True
    dot = stop.start()
    if _INITIAL.search(line[max(0, dot - 4) : dot]):
        return not _after_unit(line, dot)
    return dot - start < 12 and _ITEM.fullmatch(line, start, dot + 1) is not None


def _after_unit(line: str, dot: int) -> bool:
    """Whether the letter before `dot` is the unit of a number (9 ص، 2015 م)."""
    return _UNIT.search(line[max(0, dot - 3) : dot]) is not None


def _proposed(line: str) -> list[int]:
    """The ends of sentences that sentencex sees in `line`, blanks behind them left out, in order."""
    line = line.translate(_HIDDEN)
    sentences = sentencex.get_sentence_boundaries("ar", line)
    return [sentence["start_index"] + len(sentence["text"].rstrip()) for sentence in sentences]


def _quoted(line: str) -> Iterator[tuple[int, int]]:
    """Yield (position of the opening mark, of the closing mark) for each pair of quotation marks.

    What stands around a mark tells opening from closing, since Arabic typing often swaps them (” كلام”);
    only where that is undecided does the mark's own shape.
    """
    opened: list[tuple[int, bool]] = []
    counts = {True: 0, False: 0}
    for match in _QUOTE.finditer(line):
        at, mark = match.start(), match[0]
        kind = mark in _GUILLEMETS
        gap_before = _BEFORE_OPENING.search(line[max(0, at - 6) : at]) is not None
        gap_after = _AFTER_CLOSING.match(line, at + 1) is not None
        by_shape = mark in _OPENING or (not counts[kind] and (gap_before or mark == '"'))
        if gap_before if gap_before != gap_after else by_shape:
            opened.append((at, kind))
            counts[kind] += 1
        elif counts[kind]:
            while True:
                begin, other = opened.pop()
                counts[other] -= 1
                if other == kind:
                    break
            yield begin, at


def _merged(pairs: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join overlapping intervals; the result is sorted and disjoint."""
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(pairs):
        if merged and begin < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def _within(intervals: list[tuple[int, int]], at: int) -> bool:
    """Whether one of the sorted, disjoint, half-open `intervals` holds `at`."""
    index = bisect_right(intervals, at, key=lambda interval: interval[0]) - 1
    return index >= 0 and at < intervals[index][1]


def _any_between(numbers: list[int], low: int, high: int) -> bool:
    """Whether one of the sorted `numbers` is in (low, high]."""
    index = bisect_right(numbers, low)
    return index < len(numbers) and numbers[index] <= high
