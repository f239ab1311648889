"""sklearn-crfsuite's trainer: a line an iteration, and how each label fares at the end."""

from __future__ import annotations

from typing import Any

from ..pycrfsuite import Trainer


class LinePerIterationTrainer(Trainer):
    """Drop-in for ``sklearn_crfsuite.trainer.LinePerIterationTrainer``.

    Parameters
    ----------
    algorithm, params, verbose : optional
        As for `fastcore.compat.pycrfsuite.Trainer`.
    """

    def on_iteration(self, log: str, info: dict[str, Any]) -> None:
        """Print an iteration as one line."""
        parts = [f"Iter {info['num']:<3} ", f"time={info['time']:<5.2f} ", f"loss={info['loss']:<8.2f} "]
        if "active_features" in info:
            parts.append(f"active={info['active_features']:<5} ")
        if "avg_precision" in info:
            precision, recall, f1 = (info[f"avg_{kind}"] for kind in ("precision", "recall", "f1"))
            items, instances = info["item_accuracy_float"], info["instance_accuracy_float"]
            parts.append(f"precision={precision:0.3f}  recall={recall:0.3f}  F1={f1:0.3f}  ")
            parts.append(f"Acc(item/seq)={items:0.3f} {instances:0.3f}  ")
        if "feature_norm" in info:
            parts.append(f"feature_norm={info['feature_norm']:<8.2f}")
        print("".join(parts).strip())

    def on_optimization_end(self, log: str) -> None:
        """Print how each label fares in the last iteration, and how training ended."""
        last = self.logparser.last_iteration if self.logparser is not None else None
        if last and last.get("scores"):
            table = _table(last["scores"])
            print("=" * len(table[0]))
            print("\n".join(table))
            print("-" * len(table[0]))
        super().on_optimization_end(log)


def _table(scores: dict[str, Any]) -> list[str]:
    """Labels in order with their precision, recall, F1 and number, in columns."""
    heads = ["Label", "Precision", "Recall", "F1", "Support"]
    rows = [
        [label, *("" if x is None else f"{x:.3f}" for x in (it.precision, it.recall, it.f1 or 0.0)), str(it.ref)]
        for label, it in sorted(scores.items())
    ]
    widths = [max(len(head) + 2, *(len(row[k]) for row in rows)) for k, head in enumerate(heads)]
    lines = [heads, ["-" * width for width in widths], *rows]
    return ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines]
