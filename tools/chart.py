"""The one chart of the report, as plain inline SVG."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from models.labels import Stance

WIDTH, HEIGHT = 400, 22
ENOUGH = 5
"""Sentences below which a bar is drawn faint: too few to compare."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Shares by stance, in the paper's own voice and in that of its sources; all together at most 1."""

    own: Mapping[str, float]
    others: Mapping[str, float]
    n: int


def diverging(bar: Bar, title: str) -> str:
    """Disagreement to the left of the middle, agreement to the right, discussion on both sides of it.

    Solid is the paper's own voice, striped what it attributes to others.
    """
    agree, disagree, discuss = str(Stance.AGREE), str(Stance.DISAGREE), str(Stance.DISCUSS)
    half = WIDTH / 2
    neutral = (bar.own[discuss] + bar.others[discuss]) * half
    parts = [_part(half - neutral / 2, neutral, discuss, own=True)] if neutral else []
    at = half + neutral / 2
    for shares, own in ((bar.own, True), (bar.others, False)):
        parts.append(_part(at, shares[agree] * half, agree, own=own))
        at += shares[agree] * half
    at = half - neutral / 2
    for shares, own in ((bar.own, True), (bar.others, False)):
        at -= shares[disagree] * half
        parts.append(_part(at, shares[disagree] * half, disagree, own=own))
    faint = ' class="few"' if bar.n < ENOUGH else ""
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" preserveAspectRatio="none"{faint}>'
        f"<title>{escape(title)}</title>"
        f'<line x1="{half}" x2="{half}" y1="0" y2="{HEIGHT}" class="axis"/>{"".join(parts)}</svg>'
    )


def _part(x: float, width: float, stance: str, *, own: bool) -> str:
    if width <= 0:
        return ""
    box = f'x="{x:.1f}" y="3" width="{width:.1f}" height="{HEIGHT - 6}"'
    stripes = "" if own else f'<rect {box} class="stripes"/>'
    return f'<rect {box} class="{stance}"/>{stripes}'
