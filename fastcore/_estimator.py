"""What scikit-learn asks of an estimator, without importing scikit-learn."""

import sys
from importlib import import_module
from inspect import signature
from typing import Any, Self

from ._turns import TakesTurns


class NotFittedError(ValueError, AttributeError):
    """An estimator is asked for what only `fit` gives it.

    Where scikit-learn is loaded, what is raised is its ``sklearn.exceptions.NotFittedError`` too.
    """


NotFittedError.__module__ = "fastcore"


def not_fitted(message: str) -> NotFittedError:
    """Return the error to raise."""
    exceptions = sys.modules.get("sklearn.exceptions")
    if exceptions is None:
        return NotFittedError(message)
    both = type("NotFittedError", (NotFittedError, exceptions.NotFittedError), {"__reduce__": _reduced})
    return both(message)  # type: ignore[no-any-return]


def _reduced(error: NotFittedError) -> tuple[Any, ...]:
    # The class that is made above can't be found by its name.
    return not_fitted, error.args


class Ragged(list[Any]):
    """A list of lists that NumPy takes for a column of lists also if all are equally long."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        import numpy as np

        column = np.empty(len(self), object)
        for i, row in enumerate(self):
            column[i] = row
        return column


class Estimator(TakesTurns):
    """An object whose parameters are those of its constructor, kept as they come and refused in `fit`."""

    __slots__ = ()

    @classmethod
    def _parameters(cls) -> list[str]:
        kinds = signature(cls.__init__).parameters
        return sorted(name for name, it in kinds.items() if name != "self" and it.kind is not it.VAR_KEYWORD)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name.

        Parameters
        ----------
        deep : bool, default True
            Also those of parameters that have parameters themselves, as ``name__parameter``.
        """
        found: dict[str, Any] = {}
        for name in self._parameters():
            value = found[name] = getattr(self, name)
            if deep and hasattr(value, "get_params") and not isinstance(value, type):
                found.update((f"{name}__{inner}", it) for inner, it in value.get_params().items())
        return found

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name, ``name__parameter`` those of a parameter that has some; return self.

        Raises
        ------
        ValueError
            If there is no parameter of a name; then none is set.
        """
        names = self._parameters()
        inner: dict[str, dict[str, Any]] = {}
        for key, value in params.items():
            name, _, rest = key.partition("__")
            if name not in names:
                raise ValueError(f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(names)}")
            if rest:
                inner.setdefault(name, {})[rest] = value
        for key, value in params.items():
            if "__" not in key:
                setattr(self, key, value)
        for name, given in inner.items():
            getattr(self, name).set_params(**given)
        return self

    def __repr__(self) -> str:
        default = signature(type(self).__init__).parameters
        given = [
            f"{name}={value!r}"
            for name, value in self.get_params(deep=False).items()
            if value is not default[name].default and repr(value) != repr(default[name].default)
        ]
        return f"{type(self).__name__}({', '.join(given)})"

    def __sklearn_tags__(self) -> Any:
        utils = import_module("sklearn.utils")
        return utils.Tags(
            estimator_type=None,
            target_tags=utils.TargetTags(required=False),
            input_tags=utils.InputTags(string=True, two_d_array=False),
        )
