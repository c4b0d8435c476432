"""Small inline SVG charts for the report page; colours come from the page's style sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

_SIZE, _MARGIN = 200, 26
_INNER = _SIZE - 2 * _MARGIN


def _x(value: float) -> float:
    return round(_MARGIN + value * _INNER, 1)


def _y(value: float) -> float:
    return round(_SIZE - _MARGIN - value * _INNER, 1)


def _frame(title: str, below: str, beside: str) -> str:
    """Axes from 0 to 1 with their names."""
    ticks = "".join(
        f'<line class="grid" x1="{_x(v)}" y1="{_y(0)}" x2="{_x(v)}" y2="{_y(1)}"/>'
        f'<line class="grid" x1="{_x(0)}" y1="{_y(v)}" x2="{_x(1)}" y2="{_y(v)}"/>'
        f'<text x="{_x(v)}" y="{_y(0) + 11}" text-anchor="middle">{v:g}</text>'
        f'<text x="{_x(0) - 4}" y="{_y(v) + 3}" text-anchor="end">{v:g}</text>'
        for v in (0, 0.5, 1)
    )
    return (
        f"<title>{escape(title)}</title>{ticks}"
        f'<text x="{_SIZE / 2}" y="{_SIZE - 3}" text-anchor="middle">{below}</text>'
        f'<text x="9" y="{_SIZE / 2}" text-anchor="middle" transform="rotate(-90 9 {_SIZE / 2})">{beside}</text>'
    )


def _svg(body: str, label: str) -> Markup:
    # Numbers and escaped names only.
    return Markup(
        f'<svg class="chart" viewBox="0 0 {_SIZE} {_SIZE}" role="img" aria-label="{escape(label)}">{body}</svg>'
    )


def reliability(calibration: Mapping[str, Any], head: str) -> Markup:
    """Mean confidence against the share that was right, one dot a bin; the diagonal is perfect."""
    bins: Sequence[Mapping[str, float]] = calibration["bins"]
    most = max((b["items"] for b in bins), default=1)
    path = " ".join(f"{_x(b['confidence'])},{_y(b['accuracy'])}" for b in bins)
    dots = "".join(
        f'<circle class="dot {head}" cx="{_x(b["confidence"])}" cy="{_y(b["accuracy"])}" '
        f'r="{2.5 + 1.5 * b["items"] / most:.1f}"><title>said {b["confidence"]:.2f}, right {b["accuracy"]:.2f} '
        f"({b['items']:.0f} answers)</title></circle>"
        for b in bins
    )
    body = (
        _frame(f"reliability of {head}", "probability given", "share right")
        + f'<line class="ideal" x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}"/>'
        + f'<polyline class="curve {head}" points="{path}"/>{dots}'
    )
    return _svg(body, f"Reliability plot of {head}")


def threshold(points: Sequence[Mapping[str, float]], chosen: float | None, label: str) -> Markup:
    """Precision, recall and F1 of one type as its threshold moves; the bundle's own is marked."""
    lines = "".join(
        f'<polyline class="curve {name}" points="'
        + " ".join(f"{_x(p['threshold'])},{_y(p[name])}" for p in points)
        + '"/>'
        for name in ("precision", "recall", "f1")
    )
    mark = ""
    if chosen is not None:
        mark = f'<line class="mark" x1="{_x(chosen)}" y1="{_y(0)}" x2="{_x(chosen)}" y2="{_y(1)}"/>'
    return _svg(_frame(f"thresholds of {label}", "threshold", "") + mark + lines, f"Threshold curves of {label}")
