"""sklearn-crfsuite's ``CRF``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Self

from ... import crf
from ..._estimator import Estimator, not_fitted
from ..._turns import in_turn
from ..pycrfsuite import Tagger, Trainer
from ._fileresource import FileResource
from .trainer import LinePerIterationTrainer

if TYPE_CHECKING:
    from ..pycrfsuite._dumpparser import ParsedDump
    from ..pycrfsuite._logparser import TrainLogParser

# What parameters are called in CRFsuite.
NAMES = {
    "min_freq": "feature.minfreq",
    "all_possible_states": "feature.possible_states",
    "all_possible_transitions": "feature.possible_transitions",
    "pa_type": "type",
    **{f"calibration_{it}": f"calibration.{it}" for it in ("eta", "rate", "samples", "candidates", "max_trials")},
}
LEARNT = (
    "c1",
    "c2",
    "max_iterations",
    "num_memories",
    "epsilon",
    "period",
    "delta",
    "linesearch",
    "max_linesearch",
    "c",
    "error_sensitive",
    "averaging",
    "variance",
    "gamma",
)


class CRF(Estimator):
    """Drop-in for ``sklearn_crfsuite.CRF``: an estimator whose model lies in a file of CRFsuite's format.

    Parameters
    ----------
    algorithm : {"lbfgs", "l2sgd", "ap", "pa", "arow"}, optional
        Training algorithm; None: "lbfgs". Below, None stands for CRFsuite's own value; a parameter that the algorithm
        has no use for is refused.
    min_freq : float, optional
        Features that occur less often are left out.
    all_possible_states, all_possible_transitions : bool, optional
        Also make features of pairs (attribute, label) or (label, label) that the data don't hold.
    c1, c2 : float, optional
        Coefficients of the L1 norm and of the squared L2 norm of the weights.
    max_iterations : int, optional
        Most iterations.
    num_memories : int, optional
        lbfgs: steps whose curvature is remembered.
    epsilon : float, optional
        Where training stops: see `fastcore.crf.CRF`.
    period, delta : int, float, optional
        lbfgs, l2sgd: stop when the loss fell by less than the share `delta` in `period` iterations.
    linesearch, max_linesearch : str, int, optional
        lbfgs: the line search and its most trials.
    calibration_eta, calibration_rate : float, optional
        l2sgd: the first learning rate that is tried, and by what it is multiplied.
    calibration_samples, calibration_candidates, calibration_max_trials : int, optional
        l2sgd: how many sequences and rates are tried.
    pa_type : {0, 1, 2}, optional
        pa: without slack, slack that costs in proportion, its square.
    c : float, optional
        pa: the price of slack.
    error_sensitive, averaging : bool, optional
        pa: whether wrong labels widen the margin, and weights are averaged.
    variance, gamma : float, optional
        arow: variance of each weight at the start, and how much is given for staying near.
    verbose : bool
        Whether training prints its iterations.
    model_filename : str, optional
        Where the model is; an existing one needn't be fitted. None: in a temporary file, which goes with this object.
    keep_tempfiles : bool
        Whether a temporary file is kept.
    trainer_cls : class, optional
        What trains instead of `LinePerIterationTrainer`: a subclass of `fastcore.compat.pycrfsuite.Trainer`.

    Attributes
    ----------
    tagger_ : fastcore.compat.pycrfsuite.Tagger
        What labels; None, as all below, before there is a model.
    classes_, attributes_ : list of str
        Labels, and attributes that have weights.
    size_, num_attributes_ : int
        The file's size in bytes, and the number of attributes.
    state_features_, transition_features_ : dict
        (attribute, label) and (label, label) to weights, of six decimal places.
    training_log_ : TrainLogParser
        What the last training told.
    modelfile : FileResource
        The model's file.

    Notes
    -----
    Different from sklearn-crfsuite: `predict` and `predict_marginals` label all sequences at a time, and return lists
    as it did up to 0.3 (from 0.5 on arrays, as ``np.array([*found], object)`` is one); `X` and `y` of different lengths
    are refused; what isn't fitted raises a `NotFittedError`. `fastcore.crf.CRF` is the estimator without files, with
    workers, n best labellings and more.

    Examples
    --------
    >>> from fastcore.compat import sklearn_crfsuite
    >>> X, y = [[{"word": "a"}, {"word": "dog"}]], [["DET", "NOUN"]]
    >>> crf = sklearn_crfsuite.CRF("lbfgs", c2=0.1).fit(X, y)
    >>> crf.predict(X)
    [['DET', 'NOUN']]
    """

    def __init__(
        self,
        algorithm: str | None = None,
        min_freq: float | None = None,
        all_possible_states: bool | None = None,
        all_possible_transitions: bool | None = None,
        c1: float | None = None,
        c2: float | None = None,
        max_iterations: int | None = None,
        num_memories: int | None = None,
        epsilon: float | None = None,
        period: int | None = None,
        delta: float | None = None,
        linesearch: str | None = None,
        max_linesearch: int | None = None,
        calibration_eta: float | None = None,
        calibration_rate: float | None = None,
        calibration_samples: int | None = None,
        calibration_candidates: int | None = None,
        calibration_max_trials: int | None = None,
        pa_type: int | None = None,
        c: float | None = None,
        error_sensitive: bool | None = None,
        averaging: bool | None = None,
        variance: float | None = None,
        gamma: float | None = None,
        verbose: bool = False,
        model_filename: str | None = None,
        keep_tempfiles: bool = False,
        trainer_cls: type[Trainer] | None = None,
    ) -> None:
        self.algorithm = algorithm
        self.min_freq = min_freq
        self.all_possible_states = all_possible_states
        self.all_possible_transitions = all_possible_transitions
        self.c1 = c1
        self.c2 = c2
        self.max_iterations = max_iterations
        self.num_memories = num_memories
        self.epsilon = epsilon
        self.period = period
        self.delta = delta
        self.linesearch = linesearch
        self.max_linesearch = max_linesearch
        self.calibration_eta = calibration_eta
        self.calibration_rate = calibration_rate
        self.calibration_samples = calibration_samples
        self.calibration_candidates = calibration_candidates
        self.calibration_max_trials = calibration_max_trials
        self.pa_type = pa_type
        self.c = c
        self.error_sensitive = error_sensitive
        self.averaging = averaging
        self.variance = variance
        self.gamma = gamma
        self.verbose = verbose
        self.model_filename = model_filename
        self.keep_tempfiles = keep_tempfiles
        self.trainer_cls = trainer_cls
        self.modelfile = FileResource(model_filename, keep_tempfiles, suffix=".crfsuite", prefix="model")
        self.training_log_: TrainLogParser | None = None
        self._tagger: Tagger | None = None
        self._info_cached: ParsedDump | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tagger": None, "_info_cached": None}

    def __sklearn_is_fitted__(self) -> bool:
        return self.modelfile.name is not None and os.path.exists(self.modelfile.name)

    @in_turn
    def fit(self, X: Any, y: Any, X_dev: Any = None, y_dev: Any = None) -> Self:
        """Train on sequences of items and their labels.

        Parameters
        ----------
        X : list of sequences of items
            As `fastcore.crf.CRF` takes them.
        y : list of lists of str
            A label an item.
        X_dev, y_dev : optional
            Other sequences and their labels, on which each iteration's model is tried.

        Returns
        -------
        CRF
            This object.

        Raises
        ------
        TypeError
            If items or labels have the wrong type.
        ValueError
            If lengths don't match, only one of `X_dev` and `y_dev` is given, a name holds NUL or what UTF-8 can't, or a
            parameter is out of range or of no use to the algorithm.

        Notes
        -----
        A fit that fails or is interrupted changes nothing.
        """
        if (X_dev is None) != (y_dev is None):
            raise ValueError("X_dev and y_dev must be given together")
        trainer = self._trainer()
        for items, labels in _pairs(X, y, "X", "y"):
            trainer.append(items, labels)
        if X_dev is not None:
            for items, labels in _pairs(X_dev, y_dev, "X_dev", "y_dev"):
                trainer.append(items, labels, 1)
        # Into a file of its own, so that a training that fails changes nothing.
        modelfile = self.modelfile.another()
        assert modelfile.name is not None
        try:
            trainer.train(modelfile.name, -1 if X_dev is None else 1)
        except BaseException:
            modelfile.discard()
            raise
        # The old file goes last: another thread may be about to open what it sees.
        old, self.modelfile = self.modelfile, modelfile
        self._tagger = self._info_cached = None
        old.cleanup()
        self.training_log_ = trainer.logparser
        return self

    def _trainer(self) -> Trainer:
        params = {NAMES.get(name, name): getattr(self, name) for name in (*NAMES, *LEARNT)}
        given = {name: value for name, value in params.items() if value is not None}
        cls = LinePerIterationTrainer if self.trainer_cls is None else self.trainer_cls
        return cls(algorithm=self.algorithm, params=given, verbose=self.verbose)

    def _fitted(self) -> Tagger:
        tagger = self.tagger_
        if tagger is None:
            raise not_fitted("this CRF isn't fitted yet: call fit first")
        return tagger

    def _model(self) -> crf.CRF:
        return self._fitted()._model().crf

    def predict(self, X: Any) -> list[list[str]]:
        """Return the best labels of each sequence."""
        return self._model().predict(X)

    def predict_single(self, xseq: Any) -> list[str]:
        """Return the best labels of one sequence."""
        return self._fitted().tag(xseq)

    def predict_marginals(self, X: Any) -> list[list[dict[str, float]]]:
        """Return the probability of each label at each step of each sequence."""
        return self._model().predict_marginals(X)

    def predict_marginals_single(self, xseq: Any) -> list[dict[str, float]]:
        """Return the probability of each label at each step of one sequence."""
        return self._model().predict_marginals_single(xseq)

    def score(self, X: Any, y: Any) -> float:
        """Return the share of labels that are predicted right."""
        return self._model().score(X, y)

    @property
    def tagger_(self) -> Tagger | None:
        """What labels, opened once."""
        if self._tagger is None and self.modelfile.name is not None:
            tagger = Tagger()
            tagger.open(self.modelfile.name)
            self._tagger, self._info_cached = tagger, None
        return self._tagger

    @property
    def _info(self) -> ParsedDump | None:
        tagger = self.tagger_
        if tagger is not None and self._info_cached is None:
            self._info_cached = tagger.info()
        return self._info_cached

    @property
    def classes_(self) -> list[str] | None:
        """Labels."""
        return None if self.tagger_ is None else self.tagger_.labels()

    @property
    def size_(self) -> int | None:
        """Size of the model's file."""
        return None if self._info is None else int(self._info.header["size"])

    @property
    def num_attributes_(self) -> int | None:
        """Number of attributes that have weights."""
        return None if self._info is None else len(self._info.attributes)

    @property
    def attributes_(self) -> list[str] | None:
        """Attributes that have weights."""
        return None if self._info is None else list(self._info.attributes)

    @property
    def state_features_(self) -> dict[tuple[str, str], float] | None:
        """Weights of (attribute, label)."""
        return None if self._info is None else self._info.state_features

    @property
    def transition_features_(self) -> dict[tuple[str, str], float] | None:
        """Weights of (label from, label to)."""
        return None if self._info is None else self._info.transitions


def _pairs(X: Iterable[Any], y: Iterable[Any], *names: str) -> Iterator[tuple[Any, Any]]:
    """Sequences and their labels, of which there must be as many."""
    none = object()
    for items, labels in zip_longest(X, y, fillvalue=none):
        if items is none or labels is none:
            raise ValueError(f"{' and '.join(names)} must have the same number of sequences")
        yield items, labels
