"""What is set up once: the first call on large input, later ones, and memory, at two sizes.

``python -m bench setup``. Ten times the input should cost ten times the first call. Each size runs in a process of its
own; making the input isn't counted.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench._harness import peak_memory
from fastcore.crf import CRF
from fastcore.lexicon import Lexicon, Tokenizer
from fastcore.ngrams import count_ngrams
from fastcore.reactions import ReactionNetwork, simulate
from fastcore.templates import Parser, Template

# Seconds that a size may take.
LIMIT = 120


@dataclass(frozen=True)
class Setup:
    """What is set up: `make` gives the input of a size, `first` what later calls use, `later` is one of those."""

    name: str
    size: int
    make: Callable[[int], Any]
    first: Callable[[Any], Any]
    later: Callable[[Any], Any]


def _reactions(n: int) -> list[tuple[str, str, float]]:
    return [(f"S{i}", f"S{i + 1}", 1.0) for i in range(n)]


def _simulated(network: ReactionNetwork) -> Any:
    return simulate(network, {"S0": 100}, (0, 10), [10], max_events=100, rng=0)


def _network(reactions: list[tuple[str, str, float]]) -> ReactionNetwork:
    network = ReactionNetwork(reactions)
    _simulated(network)
    return network


def _sequences(n: int) -> tuple[list[list[list[str]]], list[list[str]]]:
    """Sentences of ten items with ten attributes each, all different."""
    X = [[[f"a{100 * i + 10 * j + k}" for k in range(10)] for j in range(10)] for i in range(n // 100)]
    return X, [["B", "I"] * 5 for _ in X]


def _model(data: tuple[Any, Any]) -> tuple[CRF, Any]:
    return CRF(max_iterations=1).fit(*data), data[0][:1]


def _words(n: int) -> dict[str, int]:
    return {chr(0x4E00 + i % 10000) + chr(0x4E00 + i // 10000) + "们" * (i % 3): 1 + i % 7 for i in range(n)}


def _tokenizer(words: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(Lexicon(words))
    tokenizer.tokenize("研究生命的起源")
    return tokenizer


def _templates(n: int) -> list[Template]:
    return [Template.parse(f"[X] 和{i % 300} [X] 的{i // 300} [X]") for i in range(n)]


def _parser(templates: list[Template]) -> Parser:
    parser = Parser(templates)
    parser.parse(["甲", "和1", "乙", "的2", "丙"])
    return parser


def _texts(n: int) -> list[str]:
    return [chr(0x4E00 + i % 5000) for i in range(n)]


def _counted(texts: list[str]) -> list[str]:
    count_ngrams(texts, (1, 2))
    return texts


SETUPS = [
    Setup("network, reactions", 100_000, _reactions, _network, _simulated),
    Setup("CRF, attributes", 1_000_000, _sequences, _model, lambda made: made[0].predict(made[1])),
    Setup("lexicon, words", 1_000_000, _words, _tokenizer, lambda made: made.tokenize("研究生命的起源")),
    Setup("parser, templates", 100_000, _templates, _parser, lambda made: made.parse(["甲", "和1", "乙", "的2", "丙"])),
    Setup("n-grams, texts of one character", 1_000_000, _texts, _counted, _counted),
    Setup(
        "segmentation, texts of one character",
        1_000_000,
        _texts,
        lambda texts: (_tokenizer(_words(1000)), texts),
        lambda made: made[0].tokenize_many(made[1]),
    ),
]


def measure(setup: Setup, size: int) -> dict[str, float] | None:
    """Seconds of the first and of a later call, in a process of its own, and the MB by which memory peaks.

    None if that takes longer than `LIMIT`.
    """
    read, write = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        # Nobody handles the alarm: it ends the process.
        signal.alarm(LIMIT)
        try:
            data = setup.make(size)

            def first_again() -> None:
                signal.alarm(LIMIT)  # which a fork doesn't inherit
                setup.first(data)

            # Before any call has left memory to be used again.
            peak = peak_memory(first_again)
            begin = time.perf_counter()
            made = setup.first(data)
            first = time.perf_counter() - begin
            later = []
            for _ in range(3):
                begin = time.perf_counter()
                setup.later(made)
                later.append(time.perf_counter() - begin)
            found = {"size": size, "first": first, "later": sorted(later)[1], "peak_mb": peak}
            os.write(write, json.dumps(found).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        answer = file.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
        return None
    if not answer:
        raise RuntimeError(f"{setup.name}: the process for {size:,} failed")
    measured: dict[str, float] = json.loads(answer)
    return measured


def rows() -> Iterator[dict[str, Any]]:
    """Measure each at a tenth of its size and at all of it."""
    for setup in SETUPS:
        small = measure(setup, setup.size // 10)
        large = measure(setup, setup.size) if small else None
        row: dict[str, Any] = {"name": setup.name, "size": setup.size, **(large or {})}
        if small and large:
            row["growth"] = large["first"] / small["first"]
        yield row


def main(out: Path) -> int:
    """Print the table and write it as JSON."""
    print(f"{'':<40}{'size':>11}{'first s':>10}{'of a tenth':>12}{'later s':>11}{'peak MB':>10}")
    found = []
    for row in rows():
        found.append(row)
        start = f"{row['name']:<40}{row['size']:>11,}"
        if "growth" not in row:
            print(f"{start}   over {LIMIT} s", flush=True)
            continue
        print(
            f"{start}{row['first']:>10.3g}{row['growth']:>11.1f}x{row['later']:>11.2g}{row['peak_mb']:>10.0f}",
            flush=True,
        )
    out.mkdir(exist_ok=True)
    (out / "setup.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    return 0
