"""The feature CRF: chunking of CoNLL-2000, and segmentation of UD Chinese GSD."""

from __future__ import annotations

import os
import tempfile
from functools import cache

from bench import _data
from bench._harness import Workload, prepared
from fastcore._data import segmented
from fastcore.crf import CRF, FeatureTemplate, Segmenter
from fastcore.crf._features import AttributeIds, index_chunks
from fastcore.crf._training import BLOCK_STEPS

ITERATIONS = 30


@cache
def _chunking(split: str, sentences: int | None = None):
    """Sentences with the usual window of words and tags as lists of attributes."""
    X, y = [], []
    blocks = _data.path(f"conll2000/{split}.txt").read_text(encoding="utf-8").strip().split("\n\n")
    for block in blocks[:sentences]:
        rows = [line.split() for line in block.splitlines()]
        words, tags = ["", "", *(r[0] for r in rows), "", ""], ["", "", *(r[1] for r in rows), "", ""]
        items = []
        for t in range(2, len(rows) + 2):
            item = [f"w[{d}]={words[t + d]}" for d in range(-2, 3)]
            item += [f"w[{d}]|w[{d + 1}]={words[t + d]}|{words[t + d + 1]}" for d in (-1, 0)]
            item += [f"t[{d}]={tags[t + d]}" for d in range(-2, 3)]
            item += [f"t[{d}]|t[{d + 1}]={tags[t + d]}|{tags[t + d + 1]}" for d in range(-2, 2)]
            item += [f"t[{d}]|..={tags[t + d]}|{tags[t + d + 1]}|{tags[t + d + 2]}" for d in (-2, -1, 0)]
            items.append(item)
        X.append(items)
        y.append([r[2] for r in rows])
    return X, y


def _fastcore(data):
    return CRF(c2=1.0, max_iterations=ITERATIONS, delta=0.0).fit(*data).loss_


@prepared
def _crfsuite(data):
    import pycrfsuite

    def call():
        trainer = pycrfsuite.Trainer(
            algorithm="lbfgs", params={"c2": 1.0, "max_iterations": ITERATIONS, "delta": 0.0}, verbose=False
        )
        for x, y in zip(*data):
            trainer.append(x, y)
        with tempfile.TemporaryDirectory() as folder:
            trainer.train(os.path.join(folder, "model"))
        return trainer.logparser.last_iteration["loss"]

    return call


ONLINE = ("l2sgd", "ap", "pa", "arow")
PASSES = 10


def _by_passes(algorithm):
    def ours(data):
        return CRF(algorithm, max_iterations=PASSES).fit(*data).training_log_[-1]["loss"]

    @prepared
    def theirs(data):
        import pycrfsuite

        def call():
            trainer = pycrfsuite.Trainer(algorithm=algorithm, params={"max_iterations": PASSES}, verbose=False)
            for x, y in zip(*data):
                trainer.append(x, y)
            with tempfile.TemporaryDirectory() as folder:
                trainer.train(os.path.join(folder, "model"))
            return trainer.logparser.last_iteration["loss"]

        return call

    return Workload(
        name=f"crf.{algorithm}",
        make=lambda: _chunking("train"),
        runners={"fastcore": ours, "python-crfsuite": theirs},
        # In another order of the sequences the losses are about as large.
        equal=lambda ours, theirs, name: name != "python-crfsuite" or 0.5 < ours / theirs < 2,
        twin_make=lambda: _chunking("train", 10),
        amount=lambda data: (sum(map(len, data[0])) * PASSES / 1e6, "M steps"),
        heavy=frozenset({"fastcore", "python-crfsuite"}),
    )


def _steps(data):
    return sum(map(len, data[0])) * ITERATIONS / 1e6, "M steps"


@prepared
def _tagger(data):
    import pycrfsuite

    (X, y), asked = data
    trainer = pycrfsuite.Trainer(algorithm="lbfgs", params={"c2": 1.0, "max_iterations": ITERATIONS}, verbose=False)
    for x, labels in zip(X, y):
        trainer.append(x, labels)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model")
        trainer.train(path)
        tagger = pycrfsuite.Tagger()
        tagger.open(path)
    return lambda: [tagger.tag(x) for x in asked]


@prepared
def _predict(data):
    (X, y), asked = data
    crf = CRF(c2=1.0, max_iterations=ITERATIONS).fit(X, y)
    return lambda: crf.predict(asked)


def _near(ours, theirs, name):
    """The two searches stop at different points: nearly all labels are the same."""
    pairs = [(a, b) for x, y in zip(ours, theirs) for a, b in zip(x, y)]
    return sum(a == b for a, b in pairs) > 0.98 * len(pairs)


# CRF++'s own template for this task.
TEMPLATE = FeatureTemplate(
    "".join(f"U0{i}:%x[{d},0]\n" for i, d in enumerate(range(-2, 3)))
    + "U05:%x[-1,0]/%x[0,0]\nU06:%x[0,0]/%x[1,0]\n"
    + "".join(f"U1{i}:%x[{d},1]\n" for i, d in enumerate(range(-2, 3)))
    + "".join(f"U1{i + 5}:%x[{d},1]/%x[{d + 1},1]\n" for i, d in enumerate(range(-2, 2)))
    + "".join(f"U2{i}:%x[{d},1]/%x[{d + 1},1]/%x[{d + 2},1]\n" for i, d in enumerate(range(-2, 1)))
    + "B"
)


@cache
def _rows(split: str, sentences: int | None = None):
    blocks = _data.path(f"conll2000/{split}.txt").read_text(encoding="utf-8").strip().split("\n\n")
    return [[tuple(line.split()[:2]) for line in block.splitlines()] for block in blocks[:sentences]]


def _written(sentences):
    """The attributes of the template as a user would write them."""
    found = []
    for rows in sentences:
        w = ["_B-2", "_B-1", *(r[0] for r in rows), "_B+1", "_B+2"]
        p = ["_B-2", "_B-1", *(r[1] for r in rows), "_B+1", "_B+2"]
        items = []
        for t in range(2, len(rows) + 2):
            item = [f"U0{i}:{w[t - 2 + i]}" for i in range(5)]
            item += [f"U05:{w[t - 1]}/{w[t]}", f"U06:{w[t]}/{w[t + 1]}"]
            item += [f"U1{i}:{p[t - 2 + i]}" for i in range(5)]
            item += [f"U1{i + 5}:{p[t - 2 + i]}/{p[t - 1 + i]}" for i in range(4)]
            item += [f"U2{i}:{p[t - 2 + i]}/{p[t - 1 + i]}/{p[t + i]}" for i in range(3)]
            items.append(item)
        found.append(items)
    return found


def _read(items):
    ids = AttributeIds()
    return sum(int(run.attributes.sum()) for run in index_chunks(items, ids, BLOCK_STEPS)), len(ids)


@cache
def _trained() -> Segmenter:
    return Segmenter().fit(segmented("train"))


def _lines():
    return ["".join(words) for part in ("train", "dev", "test") for words in segmented(part)]


@prepared
def _segment(lines):
    segmenter = _trained()
    return lambda: segmenter.segment_many(lines)


@prepared
def _jieba(lines):
    import jieba

    jieba.setLogLevel("ERROR")
    jieba.initialize()
    return lambda: [jieba.lcut(line) for line in lines]


def _same_text(ours, theirs, name):
    """Other models have other words, of the same texts."""
    return all("".join(a) == "".join(b) for a, b in zip(ours, theirs, strict=True))


WORKLOADS = [
    Workload(
        name="crf.tag",
        make=lambda: (_chunking("train", 2000), _chunking("test")[0]),
        runners={"fastcore": _predict, "python-crfsuite": _tagger},
        equal=_near,
        twin_make=lambda: (_chunking("train", 10), _chunking("test", 10)[0]),
        amount=lambda data: (sum(map(len, data[1])) / 1e3, "thousand items"),
        heavy=frozenset({"fastcore", "python-crfsuite"}),
    ),
    Workload(
        name="crf.train",
        make=lambda: _chunking("train"),
        runners={"fastcore": _fastcore, "python-crfsuite": _crfsuite},
        # Stopped early, two searches aren't at the same point; run to the end, their losses agree to 1e-5.
        equal=lambda ours, theirs, name: abs(theirs / ours - 1) < 0.05,
        twin_make=lambda: _chunking("train", 10),
        amount=_steps,
        heavy=frozenset({"fastcore", "python-crfsuite"}),
    ),
    *map(_by_passes, ONLINE),
    Workload(
        name="crf.template",
        make=lambda: _rows("train"),
        runners={
            "fastcore": lambda rows: _read(TEMPLATE.items(rows)),
            "names in Python": lambda rows: _read(_written(rows)),
        },
        twin_make=lambda: _rows("train", 50),
        amount=lambda rows: (sum(map(len, rows)) / 1e3, "thousand items"),
    ),
    Workload(
        name="crf.segment",
        make=_lines,
        runners={"fastcore": _segment, "jieba": _jieba},
        equal=_same_text,
        twin=False,  # it would train for minutes
        amount=lambda lines: (sum(map(len, lines)) / 1e6, "M characters"),
    ),
    Workload(
        name="crf.segmenter",
        make=lambda: segmented("train")[:2000],
        runners={"fastcore": lambda data: Segmenter(max_iterations=ITERATIONS).fit(data).loss_},
        twin_make=lambda: segmented("train")[:10],
        amount=lambda data: (sum(len(w) for words in data for w in words) * ITERATIONS / 1e6, "M steps"),
        heavy=frozenset({"fastcore"}),
    ),
]
