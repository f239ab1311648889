"""python-crfsuite's ``Tagger``."""

from __future__ import annotations

import contextlib
import math
import os
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import crf
from ..._backend import kernels
from ..._whole import AnyPath, whole_file
from ...crf import CRF
from ...crf._crfsuite import Contents, parse_model
from ...crf._features import Array

if TYPE_CHECKING:
    from ._dumpparser import ParsedDump


class _Sentence:
    """The sequence that a tagger was last given, and what was found of it."""

    __slots__ = ("log_z", "nodes", "offsets", "scores")

    def __init__(self, scores: Array, offsets: Array) -> None:
        self.scores, self.offsets = scores, offsets
        self.nodes: Array | None = None
        self.log_z = 0.0


class _Opened:
    """A model made ready, with all that one sentence asks for bound once."""

    def __init__(self, contents: Contents) -> None:
        self.contents, self.crf = contents, CRF._of(contents.model)
        ready = self.crf._labels()
        self.labels, self.features, self.decoder = ready.trained.classes, ready.trained.features, ready.decoder
        self.places = {label: number for number, label in enumerate(self.labels)}
        self.backend, self.matrix = self.decoder.backend, self.decoder._matrix
        self.read = ready.ids._names.read
        self.chain = kernels("chain", self.backend)
        self.viterbi, self.state_scores = self.chain.viterbi, self.decoder._scores
        self.shape = self.features.offsets, self.features.state_labels, self.decoder._weights, self.features.labels

    def sentence(self, xseq: Any) -> _Sentence:
        self.decoder.check_labels()
        if isinstance(xseq, crf.ItemSequence):
            xseq = xseq.read_on(self.backend)
        offsets, rows, attributes, values = self.read(iter((xseq,)), -1)
        scores = self.state_scores(rows, attributes, values, *self.shape)
        if not self.decoder.sound(scores, values):
            raise self.decoder._too_large()
        return _Sentence(scores, offsets)

    def tags(self, sentence: _Sentence) -> list[str]:
        ends = self.features.start, self.features.end
        paths, scores = self.viterbi(sentence.scores, sentence.offsets, self.matrix, *ends)
        if len(paths) and not math.isfinite(scores[0]):
            raise self.decoder._too_large()
        labels = self.labels
        return [labels[k] for k in paths.tolist()]

    def expect(self, sentence: _Sentence) -> Array:
        """Probabilities of each label at each step, found once."""
        if sentence.nodes is None:
            parts = sentence.scores, sentence.offsets, self.matrix, self.features.start, self.features.end
            nodes, _, log_z = self.chain.marginals(*parts, True)
            if not math.isfinite(log_z[0]):
                raise self.decoder._too_large()
            sentence.log_z, sentence.nodes = float(log_z[0]), nodes
        nodes = sentence.nodes
        return nodes

    def log_score(self, sentence: _Sentence, path: list[int]) -> float:
        parts = sentence.scores, sentence.offsets, self.matrix, self.features.start, self.features.end
        return float(self.chain.path_score(*parts, np.array(path, np.int64))[0])


class Tagger:
    """Drop-in for ``pycrfsuite.Tagger``: labels of one sequence a call, by a model in a file.

    Notes
    -----
    Whatever is wrong with a file is a ValueError; where python-crfsuite would crash, as with a sequence set before a
    model is opened, there is an error too. Threads may call `tag` with sequences at the same time; the calls without
    one speak of the sequence that any of them gave last. For many sequences at a time, `fastcore.crf.CRF.load_crfsuite`
    gives a CRF whose `predict` is faster again.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastcore.compat import pycrfsuite
    >>> trainer = pycrfsuite.Trainer("lbfgs", verbose=False)
    >>> trainer.append([["w=a"], ["w=dog"]], ["DET", "NOUN"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     trainer.train(f"{folder}/model")
    ...     with pycrfsuite.Tagger().open(f"{folder}/model") as tagger:
    ...         tagger.tag([["w=a"], ["w=dog"]])
    ['DET', 'NOUN']
    """

    def __init__(self) -> None:
        self._opened: _Opened | None = None
        self._sentence: _Sentence | None = None

    def open(self, name: AnyPath | bytes) -> contextlib.closing[Tagger]:
        """Open a model file; the result is a context manager that closes the tagger.

        Raises
        ------
        OSError
            If the file can't be read.
        ValueError
            If it is no model, or not a whole one.
        """
        path = os.fsdecode(name)
        return self._open(Path(path).read_bytes(), path)

    def open_inmemory(self, value: bytes) -> contextlib.closing[Tagger]:
        """Open a model that is the content of a file."""
        if not isinstance(value, bytes):
            raise TypeError(f"value must be bytes, got {type(value).__name__}")
        return self._open(value, "value")

    def _open(self, content: bytes, name: str) -> contextlib.closing[Tagger]:
        self._opened, self._sentence = _Opened(parse_model(content, name)), None
        return contextlib.closing(self)

    def close(self) -> None:
        """Let go of the model."""
        self._opened = self._sentence = None

    def _model(self) -> _Opened:
        if self._opened is None:
            raise ValueError("The tagger is not opened")
        return self._opened

    def labels(self) -> list[str]:
        """Return the labels of the model."""
        return list(self._model().labels)

    def set(self, xseq: Any) -> None:
        """Set the sequence of which `tag`, `probability` and `marginal` speak."""
        self._sentence = self._model().sentence(xseq)

    def tag(self, xseq: Any = None) -> list[str]:
        """Return the best labels of a sequence of items, or of the one set last."""
        opened = self._model()
        if xseq is None:
            sentence = self._sentence
            return [] if sentence is None else opened.tags(sentence)
        sentence = self._sentence = opened.sentence(xseq)
        return opened.tags(sentence)

    def probability(self, yseq: Any) -> float:
        """Return the probability of labels of the sequence set last.

        Raises
        ------
        ValueError
            If there aren't as many labels as items, or no model is open.
        RuntimeError
            If the model doesn't have a label.
        """
        opened, sentence = self._model(), self._sentence
        if sentence is None or not len(sentence.scores):
            return 0.0
        labels, count = list(yseq), len(sentence.scores)
        if len(labels) != count:
            raise ValueError(f"The numbers of items and labels differ: |x| = {count}, |y| = {len(labels)}")
        path = [_place(opened, label) for label in labels]
        opened.expect(sentence)
        return math.exp(min(0.0, opened.log_score(sentence, path) - sentence.log_z))

    def marginal(self, y: str, pos: int) -> float:
        """Return the probability of a label at a position of the sequence set last.

        Raises
        ------
        ValueError
            If there is no such position, or no model is open.
        RuntimeError
            If the model doesn't have the label.
        """
        opened, sentence, pos = self._model(), self._sentence, index(pos)
        if sentence is None or not len(sentence.scores):
            return 0.0
        if not 0 <= pos < len(sentence.scores):
            raise ValueError(f"The position, {pos} is out of range of {len(sentence.scores)}")
        return float(opened.expect(sentence)[pos, _place(opened, y)])

    def dump(self, filename: AnyPath | None = None) -> None:
        """Write the model as text into a file, or to ``sys.stdout``.

        Raises
        ------
        RuntimeError
            If no model is open.
        """
        from ._dumpparser import lines  # few taggers are asked for this

        text = lines(self._contents())
        if filename is None:
            for line in text:
                print(line)
            return
        with whole_file(filename) as file:
            for line in text:
                file.write(f"{line}\n".encode())

    def info(self) -> ParsedDump:
        """Return what a dump says, parsed.

        Raises
        ------
        RuntimeError
            If no model is open.
        """
        from ._dumpparser import parsed

        return parsed(self._contents())

    def _contents(self) -> Contents:
        if self._opened is None:
            raise RuntimeError("Tagger is closed")
        return self._opened.contents


def _place(opened: _Opened, label: Any) -> int:
    if isinstance(label, bytes):
        label = label.decode()
    if label not in opened.places:
        raise RuntimeError(f"Failed to convert into label identifier: {label}")
    return opened.places[label]
