"""python-crfsuite's ``Trainer``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from operator import index
from typing import Any, Self

import numpy as np

from ... import crf
from ..._turns import TakesTurns, in_turn
from ..._whole import AnyPath
from ...crf._crfsuite import write_model
from ...crf._files import _model_of
from ...crf._model import Features, Model
from ._logparser import TrainLogParser
from ._messages import Messages, ToldCRF, check_names
from ._parameters import ALGORITHMS, ALIASES, Parameter, options, parameters
from ._sequence import ItemSequence


class BaseTrainer(TakesTurns):
    """Drop-in for ``pycrfsuite.BaseTrainer``: a training set, an algorithm and its parameters.

    Parameters
    ----------
    algorithm : {"lbfgs", "l2sgd", "ap", "pa", "arow"}, optional
        As for `select`; "lbfgs" if it isn't given.
    params : dict, optional
        Parameters by CRFsuite's names, as for `set_params`.
    verbose : bool
        Whether messages are printed.
    """

    verbose: bool | None
    _data: list[tuple[crf.ItemSequence, list[str], int]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        # Here, since subclasses needn't call __init__.
        self = super().__new__(cls)
        self.verbose = None
        self._data = []
        self._choose("lbfgs")
        return self

    def __init__(self, algorithm: str | None = None, params: Mapping[str, Any] | None = None, verbose: bool = True):
        if algorithm is not None:
            self.select(algorithm)
        if params is not None:
            self.set_params(params)
        self.verbose = verbose

    def _choose(self, algorithm: str) -> None:
        self._algorithm = algorithm
        self._parameters = parameters(algorithm)
        self._values = {name: it.default for name, it in self._parameters.items()}

    def message(self, message: str) -> None:
        """Take a message of the training: print it if `verbose`. Subclasses may do otherwise."""
        if self.verbose:
            print(message, end="")

    @in_turn
    def append(self, xseq: Any, yseq: Any, group: int = 0) -> None:
        """Add a sequence to the training set.

        Parameters
        ----------
        xseq : list of items or ItemSequence
            The items.
        yseq : list of str
            A label an item.
        group : int
            Which group it is of: `train` can hold one out.

        Raises
        ------
        TypeError
            If items or labels have the wrong type.
        ValueError
            If there aren't as many labels as items, or a label holds NUL or a lone surrogate.
        """
        items = xseq if isinstance(xseq, crf.ItemSequence) else ItemSequence(xseq)
        labels = [_label(label) for label in yseq]
        if len(items) != len(labels):
            raise ValueError(f"The numbers of items and labels differ: |x| = {len(items)}, |y| = {len(labels)}")
        self._data.append((items, labels, index(group)))

    def select(self, algorithm: str, type: str = "crf1d") -> None:
        """Choose the algorithm; parameters are its defaults then.

        Parameters
        ----------
        algorithm : {"lbfgs", "l2sgd", "ap", "pa", "arow"}
            L-BFGS, stochastic gradient descent, averaged perceptron, passive-aggressive, AROW.
        type : {"crf1d"}
            The model.

        Raises
        ------
        ValueError
            If there is no such algorithm or model.
        """
        name = algorithm.lower()
        name = ALIASES.get(name, name)
        if name not in ALGORITHMS or type != "crf1d":
            raise ValueError(f"Bad arguments: algorithm={name!r}, type={type!r}")
        self._choose(name)

    @in_turn
    def train(self, model: AnyPath | bytes, holdout: int = -1) -> None:
        """Train, and write the model into a file.

        Parameters
        ----------
        model : path-like
            The file; an empty str: none is written.
        holdout : int
            The group that is held out, on which each iteration's model is tried; -1: none.

        Raises
        ------
        ValueError
            If a parameter is out of range, or an attribute holds NUL or a lone surrogate.
        OSError
            If the file can't be written.
        """
        holdout = index(holdout)
        self._before_train()
        inside = [(items, labels) for items, labels, group in self._data if group != holdout or holdout < 0]
        outside = [(items, labels) for items, labels, group in self._data if group == holdout >= 0]
        messages = Messages(self.message, self._algorithm, self._values, len(inside), holdout)
        if any(labels for _, labels in inside):
            trained = ToldCRF(**options(self._algorithm, self._values))
            trained.told = messages
            dev = [list(part) for part in zip(*outside)] if any(labels for _, labels in outside) else []
            trained.fit(*(list(part) for part in zip(*inside)), *dev)
            messages.trained(trained.message_, trained.loss_)
            made = _model_of(trained._fitted())
        else:
            messages.made(0)
            messages.trained("there are no features", 0.0)
            made = _nothing()
        if os.fspath(model):
            for _ in messages.storing(made):
                write_model(os.fsdecode(model), made)

    def params(self) -> list[str]:
        """Return the names of the algorithm's parameters."""
        return list(self._parameters)

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Set parameters by name."""
        for name, value in params.items():
            self.set(name, value)

    def get_params(self) -> dict[str, Any]:
        """Return all parameters by name."""
        return dict(self._values)

    def set(self, name: str, value: Any) -> None:
        """Set a parameter.

        Raises
        ------
        ValueError
            If the algorithm has no such parameter, or it is no number where one is wanted.
        """
        self._values[name] = self._parameter(name, value).cast(value)

    def get(self, name: str) -> Any:
        """Return a parameter.

        Raises
        ------
        ValueError
            If the algorithm has no such parameter.
        """
        self._parameter(name, "")
        return self._values[name]

    def help(self, name: str) -> str:
        """Return what a parameter means.

        Raises
        ------
        ValueError
            If the algorithm has no such parameter.
        """
        if name not in self._parameters:
            raise ValueError(f"Parameter not found: {name}")
        return self._parameters[name].meaning

    def _parameter(self, name: str, value: Any) -> Parameter:
        if name not in self._parameters:
            raise ValueError(f"Parameter not found: {name} = {value}")
        return self._parameters[name]

    @in_turn
    def clear(self) -> None:
        """Remove all sequences from the training set."""
        self._data = []

    def _before_train(self) -> None:
        """What a subclass does first."""


class Trainer(BaseTrainer):
    """Drop-in for ``pycrfsuite.Trainer``: it also keeps what the messages say, in `logparser`.

    Parameters
    ----------
    algorithm : {"lbfgs", "l2sgd", "ap", "pa", "arow"}, optional
        As for `select`; "lbfgs" if it isn't given.
    params : dict, optional
        Parameters by CRFsuite's names, as for `set_params`.
    verbose : bool
        Whether messages are printed.

    Attributes
    ----------
    logparser : TrainLogParser
        What the last training told: iterations with their losses, norms and held-out scores; None before.

    Notes
    -----
    Training is that of `fastcore.crf.CRF`: CRFsuite's objective and so its model, by a search of its own, whose
    iterations have other losses. `linesearch` changes nothing. Labels that occur in the held-out group only aren't the
    model's. A file that can't be written is an OSError, where CRFsuite says nothing. Threads take turns to `append` and
    `train`.

    Examples
    --------
    >>> from fastcore.compat import pycrfsuite
    >>> trainer = pycrfsuite.Trainer("lbfgs", {"c2": 0.1, "max_iterations": 20}, verbose=False)
    >>> trainer.append([{"word": "a"}, {"word": "dog"}], ["DET", "NOUN"])
    >>> trainer.train("")
    >>> trainer.logparser.featgen_num_features
    3
    """

    logparser: TrainLogParser | None = None

    def _before_train(self) -> None:
        self.logparser = TrainLogParser()

    def message(self, message: str) -> None:
        """Take a message: what it completes goes to one of the ``on_...`` methods if `verbose`."""
        assert self.logparser is not None
        event = self.logparser.feed(message)
        if event is None or not self.verbose:
            return
        more: dict[str, Any] = {
            "featgen_progress": self.logparser.featgen_percent,
            "iteration": self.logparser.last_iteration,
        }
        method, log = getattr(self, f"on_{event}"), self.logparser.last_log
        method(*((log, more[event]) if event in more else (log,)))

    def on_start(self, log: str) -> None:
        """Print that training starts."""
        print(log, end="")

    def on_featgen_progress(self, log: str, percent: int) -> None:
        """Print how far the making of features is."""
        print(log, end="")

    def on_featgen_end(self, log: str) -> None:
        """Print how many features there are."""
        print(log, end="")

    def on_prepared(self, log: str) -> None:
        """Print the algorithm and its parameters."""
        print(log, end="")

    def on_prepare_error(self, log: str) -> None:
        """Print why nothing is trained."""
        print(log, end="")

    def on_iteration(self, log: str, info: dict[str, Any]) -> None:
        """Print an iteration; `info` is what it told."""
        print(log, end="")

    def on_optimization_end(self, log: str) -> None:
        """Print how training ended."""
        print(log, end="")

    def on_end(self, log: str) -> None:
        """Print that the model was written."""
        print(log, end="")


def _label(label: Any) -> str:
    if isinstance(label, bytes):
        label = label.decode("utf-8")
    if not isinstance(label, str):
        raise TypeError(f"labels must be str, got {type(label).__name__} {label!r}")
    check_names("labels", [label])
    return label


def _nothing() -> Model:
    """The model of no data."""
    none = np.zeros(0, np.int64)
    features = Features(
        0,
        np.zeros(1, np.int64),
        none.astype(np.int32),
        np.zeros((0, 2), np.int64),
        np.zeros((0, 0)),
        *2 * (np.zeros(0),),
    )
    return Model(features, np.zeros(0), [], [])
