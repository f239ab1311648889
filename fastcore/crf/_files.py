"""What a CRF does with files: its own, and CRFsuite's."""

import math
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

from .._estimator import Estimator
from .._whole import AnyPath
from ._crfsuite import read_model, write_model
from ._model import Model


class InFiles(Estimator, ABC):
    """An estimator whose model goes into files and comes back."""

    @abstractmethod
    def _fitted(self) -> Any:
        """What training gave, or an error."""

    @abstractmethod
    def _adopt(self, model: Model, loss: float, n_iter: int, message: str) -> None:
        """Take a model as if training had given it."""

    def save(self, path: AnyPath) -> None:
        """Write the model into a file.

        Parameters
        ----------
        path : path-like
            The file: an uncompressed npz of plain arrays, without pickles. It appears under this name when it is
            wholly on disk; an older file of the name is replaced.

        Raises
        ------
        NotFittedError
            If the CRF isn't fitted.
        OSError
            If the file can't be written.

        Notes
        -----
        Parameters are written too, numbers as plain ones, but for what is no number, bool or str: `workers`, `progress`
        and `rng` that are objects. O(size of the model) time.
        """
        from ._saved import FIELD, describe  # with what reads archives, which no import of the package is to load

        trained = self._fitted()
        meta, arrays = describe(_model_of(trained), self.get_params(deep=False))
        told = {"loss": trained.loss, "n_iter": trained.n_iter, "message": trained.message}
        FIELD.write(path, meta | told, arrays)

    @classmethod
    def load(cls, path: AnyPath) -> Self:
        """Read a model that :meth:`save` wrote.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        CRF
            Fitted, with the parameters that were written; the others are the default.

        Raises
        ------
        ValueError
            If it isn't such a file, or not a whole one: checksums, sizes, order and ranges are checked.
        OSError
            If it can't be read.
        """
        from ._saved import FIELD, parts

        meta, arrays = FIELD.read(Path(path))
        try:
            model = parts(meta, arrays)
            told = float(meta["loss"]), int(meta["n_iter"]), str(meta["message"])
            known = cls._parameters()
            crf = cls(**{name: value for name, value in meta["params"].items() if name in known})
        except (KeyError, TypeError, IndexError, OverflowError) as error:
            raise ValueError(f"{path} is no whole CRF: {error!r}") from error
        except ValueError as error:
            raise ValueError(f"{path} is no whole CRF: {error}") from error
        crf._adopt(model, *told)
        return crf

    def save_crfsuite(self, path: AnyPath) -> None:
        """Write the model into a file as CRFsuite has it, for python-crfsuite and its kin.

        Parameters
        ----------
        path : path-like
            The file. It appears under this name when it is wholly on disk; an older file of the name is replaced.

        Raises
        ------
        NotFittedError
            If the CRF isn't fitted.
        ValueError
            If a name holds NUL or half a surrogate pair, or the file would be 4 GiB or larger.
        OSError
            If the file can't be written.

        Notes
        -----
        Weights of 0, and attributes that have no others, are left out, as CRFsuite does. O(size of the model) time.
        """
        write_model(path, _model_of(self._fitted()))

    @classmethod
    def load_crfsuite(cls, path: AnyPath) -> Self:
        """Read a model that CRFsuite, python-crfsuite or :meth:`save_crfsuite` wrote.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        CRF
            Fitted, with default parameters: such files hold none, nor the loss, which is NaN.

        Raises
        ------
        ValueError
            If it isn't such a file, or not a whole one: sizes, places, names and numbers are checked.
        OSError
            If it can't be read.

        Notes
        -----
        Names must be UTF-8. O(size of the file) time and memory.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from fastcore.crf import CRF
        >>> crf = CRF().fit([[["a"], ["b"]]], [["X", "Y"]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     crf.save_crfsuite(Path(folder, "model.crfsuite"))
        ...     again = CRF.load_crfsuite(Path(folder, "model.crfsuite"))
        >>> again.state_features_ == crf.state_features_
        True
        """
        return cls._of(read_model(path).model)

    @classmethod
    def _of(cls, model: Model) -> Self:
        """A CRF that has a model of CRFsuite's."""
        crf = cls()
        crf._adopt(model, math.nan, 0, "the model was read from a file of CRFsuite's")
        return crf


def _model_of(trained: Any) -> Model:
    return Model(trained.features, trained.weights, list(trained.attributes), trained.classes)
