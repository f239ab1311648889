"""N-gram counting beside a dict loop, rustling, packed keys in NumPy, KenLM's count_ngrams, Counter and gensim."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np

from bench import _data
from bench._corpus import write_corpus
from bench._harness import Workload, prepared
from fastcore.ngrams import count_ngrams

SEPARATORS = re.compile("[^\u4e00-\u9fa5A-Za-z0-9]+")


def _chinese() -> list[str]:
    return _data.lines("text/zh_15mb.txt.xz")


def _english() -> list[list[str]]:
    return [line.split() for line in _data.lines("text/en_30mb.txt.xz")]


def _pieces(texts: list[str]) -> list[str]:
    return [piece for text in texts for piece in SEPARATORS.split(text) if piece]


def _megabytes(texts) -> tuple[float, str]:
    return sum(len(" ".join(t).encode() if isinstance(t, list) else t.encode()) + 1 for t in texts) / 1e6, "MB"


def _dict_loop(texts: list[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for text in texts:
        for piece in SEPARATORS.split(text):
            for n in range(1, 5):
                for i in range(len(piece) - n + 1):
                    key = piece[i : i + n]
                    counts[key] = counts.get(key, 0) + 1
    return counts


@prepared
def _rustling_characters(texts):
    from rustling.ngram import Ngrams

    pieces = [list(piece) for piece in _pieces(texts)]

    def count():
        counter = Ngrams(n=4, min_n=1)
        counter.count_seqs(pieces)
        return counter

    return count


def _numpy(texts: list[str]) -> list[tuple[np.ndarray, np.ndarray]]:
    points = np.frombuffer("\n".join(texts).encode("utf-32-le"), np.uint32)
    kept = (
        ((points >= 0x4E00) & (points <= 0x9FA5))
        | ((points >= 48) & (points <= 57))
        | ((points >= 65) & (points <= 90))
        | ((points >= 97) & (points <= 122))
    )
    table = np.zeros(0x110000, np.uint64)
    alphabet = np.unique(points[kept])
    table[alphabet] = np.arange(1, len(alphabet) + 1)
    ids = table[points]
    ids[~kept] = 0
    found, key, whole = [], np.zeros(len(ids), np.uint64), np.ones(len(ids), bool)
    for n in range(1, 5):
        shifted = np.concatenate([ids[n - 1 :], np.zeros(n - 1, np.uint64)])
        whole &= shifted != 0
        key = key * np.uint64(len(alphabet) + 1) + shifted
        found.append(np.unique(key[whole], return_counts=True))
    return found


@prepared
def _kenlm(texts):
    binary = os.environ.get("FASTCORE_KENLM")
    if not binary:
        raise ImportError("set FASTCORE_KENLM to KenLM's count_ngrams")
    folder = Path(tempfile.mkdtemp(prefix="fastcore-bench-"))
    source = folder / "text"
    source.write_text("\n".join(" ".join(piece) for piece in _pieces(texts)) + "\n", encoding="utf-8")

    def count():
        with open(source, "rb") as file:
            command = [binary, "-o", "4", "-S", "1G", "-T", str(folder), "--write_vocab_list", str(folder / "words")]
            subprocess.run(command, stdin=file, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)

    return count


def _same_characters(ours, theirs, name: str) -> bool | str:
    if name == "dict loop":
        return bool(ours.to_dict() == theirs)
    if name == "rustling":
        return {tuple(k): v for k, v in ours.items()} == dict(theirs.items())
    if name == "numpy.unique":
        return all(np.array_equal(np.sort(ours.counts(k)), np.sort(counts)) for k, (_, counts) in enumerate(theirs, 1))
    if theirs is None:
        return "counts stay in the process"
    return bool(ours == theirs)


def _counter(texts: list[list[str]]) -> Counter:
    counts: Counter = Counter()
    for tokens in texts:
        counts.update(pairwise(tokens))
    return counts


def _gensim(texts: list[list[str]]):
    from gensim.models.phrases import Phrases

    return Phrases(texts, min_count=1, threshold=1e9, max_vocab_size=10**9, delimiter=" ").vocab


def _rustling_words(texts: list[list[str]]):
    from rustling.ngram import Ngrams

    counter = Ngrams(n=2)
    counter.count_seqs(texts)
    return counter


def _same_words(ours, theirs, name: str) -> bool | str:
    if name == "gensim Phrases":
        bigrams = {k: v for k, v in theirs.items() if " " in k}
        return {" ".join(k): v for k, v in ours.items()} == bigrams
    return ours.to_dict() == (dict(theirs.items()) if name == "rustling" else theirs)


def _corpus() -> Path:
    """The 640 MB of the spill workload, made once in the folder for temporary files."""
    target = Path(tempfile.gettempdir()) / "fastcore-bench" / "zh_640mb.txt"
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        write_corpus(_data.path("text/zh_15mb.txt.xz"), target.with_suffix(".part"))
        os.replace(target.with_suffix(".part"), target)
    return target


def _file_megabytes(path: Path) -> tuple[float, str]:
    return path.stat().st_size / 1e6, "MB"


def _file_dict_loop(path: Path) -> dict[str, int]:
    with open(path, encoding="utf-8", newline="\n") as file:
        return _dict_loop(file)  # type: ignore[arg-type]


@prepared
def _dask(path: Path):
    from dask.distributed import Client, LocalCluster

    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    client = Client(cluster)
    folder = Path(tempfile.mkdtemp(prefix="fastcore-bench-"))
    lines = path.read_bytes().splitlines(keepends=True)
    for i in range(4):
        (folder / f"{i}.txt").write_bytes(b"".join(lines[i * len(lines) // 4 : (i + 1) * len(lines) // 4]))
    return lambda: count_ngrams(folder, (1, 4), keep="cjk+alnum", workers=client.get_executor())


WORKLOADS = [
    Workload(
        name="ngrams.characters",
        make=_chinese,
        runners={
            "fastcore": lambda texts: count_ngrams(texts, (1, 4), keep="cjk+alnum"),
            "fastcore, 2 threads": lambda texts: count_ngrams(texts, (1, 4), keep="cjk+alnum", workers=2),
            "dict loop": _dict_loop,
            "rustling": _rustling_characters,
            "numpy.unique": _numpy,
            "KenLM count_ngrams": _kenlm,
        },
        equal=_same_characters,
        twin_make=lambda: _chinese()[:2000],
        amount=_megabytes,
        heavy=frozenset({"dict loop", "rustling", "KenLM count_ngrams"}),
    ),
    Workload(
        name="ngrams.word_bigrams",
        make=_english,
        runners={
            "fastcore": lambda texts: count_ngrams(texts, 2, unit="token"),
            "Counter": _counter,
            "gensim Phrases": _gensim,
            "rustling": _rustling_words,
        },
        equal=_same_words,
        twin_make=lambda: _english()[:20000],
        amount=_megabytes,
        heavy=frozenset({"gensim Phrases", "rustling", "Counter"}),
    ),
    Workload(
        name="ngrams.file",
        make=lambda: _data.unpacked("text/zh_15mb.txt.xz"),
        runners={
            "fastcore": lambda path: count_ngrams(path, (1, 4), keep="cjk+alnum"),
            "fastcore, 2 threads": lambda path: count_ngrams(path, (1, 4), keep="cjk+alnum", workers=2),
            "fastcore, dask, 2 processes": _dask,
            "dict loop": _file_dict_loop,
        },
        equal=lambda ours, theirs, name: bool(ours == theirs),
        twin=False,
        amount=_file_megabytes,
        heavy=frozenset({"dict loop"}),
    ),
    Workload(
        name="ngrams.spill",
        make=_corpus,
        runners={
            "fastcore": lambda path: count_ngrams(path, (1, 4), keep="cjk+alnum", max_memory="64MB"),
            "fastcore, unlimited": lambda path: count_ngrams(path, (1, 4), keep="cjk+alnum"),
        },
        equal=lambda ours, theirs, name: bool(ours == theirs),
        twin=False,
        amount=_file_megabytes,
    ),
]
