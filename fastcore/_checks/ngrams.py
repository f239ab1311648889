"""Checks of n-gram counting."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from .._data import english_verse, poems
from ..ngrams import NgramCounter, NgramTable, count_ngrams
from . import Check, exact, largest_difference


def _verses() -> list[str]:
    """About 300 kB of poems."""
    return poems()[4000:8600]


def _words() -> list[list[str]]:
    return [verse.split() for verse in english_verse()[:2000]]


def _scores(table: NgramTable) -> list[object]:
    return [table.pmi(), table.cohesion(), table.left_entropy(), table.right_entropy()]


def _encoded(texts: list[str]) -> list[bytes]:
    return [text.encode("utf-8") for text in texts]


def _merged(texts: list[str]) -> NgramTable:
    """Counts of two parts, of which the second brings symbols that the first doesn't know."""
    half = len(texts) // 2
    first, second = NgramCounter((1, 3)), NgramCounter((1, 3))
    first.update(texts[:half])
    second.update(texts[half:])
    first.merge(second)
    return first.finish()


def _merged_tokens(texts: list[list[str]]) -> NgramTable:
    half = len(texts) // 2
    first, second = NgramCounter((1, 2), unit="token"), NgramCounter((1, 2), unit="token")
    first.update(texts[:half])
    second.update(texts[half:])
    first.merge(second)
    return first.finish()


def _found(texts: list[str]) -> list[int]:
    table = count_ngrams(texts[:500], (1, 3))
    return [table.get(text[i : i + 3], 0) for text in texts[:1000] for i in range(len(text) - 2)]


def _read_again(texts: list[str]) -> NgramTable:
    with TemporaryDirectory() as folder:
        file = Path(folder, "table.npz")
        count_ngrams(texts[:1000], (1, 3)).save(file)
        return NgramTable.load(file)


CHECKS = [
    Check("ngrams.count_ngrams", _verses, lambda texts: count_ngrams(texts, (1, 4)), exact),
    Check("ngrams.count_ngrams (tokens)", _words, lambda texts: count_ngrams(texts, (1, 3), unit="token"), exact),
    Check("ngrams.count_ngrams (bytes)", lambda: _encoded(_verses()[:2000]), lambda t: count_ngrams(t, (1, 3)), exact),
    Check(
        "ngrams.count_ngrams (lines)",
        lambda: b"\n".join(_encoded(_verses()[:2000])),
        lambda data: count_ngrams(data, (1, 3)),
        exact,
    ),
    Check(
        "ngrams.count_ngrams (bytes, tokens)",
        lambda: _encoded(english_verse()[:1000]),
        lambda texts: count_ngrams(texts, (1, 2), unit="token"),
        exact,
    ),
    Check(
        "ngrams.count_ngrams (lines, tokens)",
        lambda: b"\n".join(_encoded(english_verse()[:1000])),
        lambda data: count_ngrams(data, (1, 2), unit="token"),
        exact,
    ),
    Check("ngrams.merge", lambda: _verses()[:2000], _merged, exact),
    Check("ngrams.merge (tokens)", _words, _merged_tokens, exact),
    Check("ngrams.look-up", _verses, _found, exact),
    Check("ngrams.save and load", _verses, _read_again, exact),
    Check("ngrams.scores", _verses, lambda texts: _scores(count_ngrams(texts[:1000], (1, 3))), largest_difference),
]
