"""The demo's picture: four panels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .._extras import require
from .._whole import whole_file
from ._report import Report


def draw(report: Report, path: Path) -> None:
    """Draw what the sections left in ``report.series``."""
    require("matplotlib", "plot", "the demo's picture")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8.5), layout="constrained")
    panels = figure.subplots(2, 2)
    _segmentation(panels[0, 0], report)
    _histogram(panels[0, 1], report)
    _competition(panels[1, 0], report)
    _ratios(panels[1, 1], report)
    with whole_file(path) as file:
        figure.savefig(file, format="png", dpi=110)


def _segmentation(axes: Any, report: Report) -> None:
    bars = [(f"Chinese: {name}", score) for name, score in report.series["f1_chinese"].items()]
    bars += [(f"English: {name}", score) for name, score in report.series["f1_english"].items()]
    drawn = axes.barh([name for name, _ in bars], [score for _, score in bars], color="#4c72b0")
    axes.bar_label(drawn, fmt="%.2f", padding=3)
    axes.set(title="Segmentation: span F1 (English with its spaces removed)", xlim=(0, 1), xlabel="F1")
    axes.invert_yaxis()


def _histogram(axes: Any, report: Report) -> None:
    counts, exact = report.series["protein"]
    axes.bar(
        range(len(counts)), counts / counts.sum(), width=1.0, color="#8fb0d9", label=f"{counts.sum():,} simulated runs"
    )
    axes.plot(range(len(exact)), exact, color="#c44e52", lw=1.8, label="exact (finite state projection)")
    axes.set(title="Gene expression: protein number", xlabel="molecules", ylabel="probability", xlim=(0, 120))
    axes.set_ylim(0, 1.25 * exact.max())
    axes.legend(frameon=False, loc="upper right")


def _competition(axes: Any, report: Report) -> None:
    curves = report.series["competition"]
    for name, color in (("x1", "#4c72b0"), ("x2", "#dd8452")):
        axes.plot(curves["t"], curves[name], color=color, label=f"{name}, fitted")
        axes.plot(curves["data_t"], curves[f"data_{name}"], "o", color=color, label=f"{name}, data")
    axes.set(title="Competition of two species, fitted", xlabel="time", ylabel="population")
    axes.legend(frameon=False)


def _ratios(axes: Any, report: Report) -> None:
    names, ratios = zip(*report.series["ratios"], strict=True)
    drawn = axes.barh(names, ratios, color="#55a868")
    axes.bar_label(drawn, fmt="%.0fx", padding=3, fontsize=7)
    axes.set(title="Kernel against twin: ratio of times", xscale="log", xlim=(0.8, max(*ratios, 10) * 6))
    axes.tick_params(axis="y", labelsize=7)
    axes.invert_yaxis()
