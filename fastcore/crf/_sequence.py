"""A sequence of items that is read once and labelled by any model."""

from typing import Any

from .._backend import active_backend, kernels


class ItemSequence:
    """A sequence of items, read once: fitting and labelling it again costs no reading of dicts.

    Parameters
    ----------
    items : list of items
        Mappings or lists of names, as `CRF` takes them.

    Raises
    ------
    TypeError
        If an item or a name has the wrong type.
    ValueError
        If a weight isn't finite, or bytes aren't UTF-8.

    Notes
    -----
    O(size of the items) time, and memory of their names end to end. What python-crfsuite's class of this name is for.

    Examples
    --------
    >>> from fastcore.crf import ItemSequence
    >>> x = ItemSequence([{"word": "a", "length": 1.5}, ["word:dog"]])
    >>> len(x), x.items()
    (2, [{'word:a': 1.0, 'length': 1.5}, {'word:dog': 1.0}])
    """

    __slots__ = ("_backend", "_read")

    def __init__(self, items: Any) -> None:
        self._backend = active_backend()
        self._read = kernels("crf.items", self._backend).Sequence(items)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.items(),)

    def __len__(self) -> int:
        return len(self._read)

    def items(self) -> list[dict[str, float]]:
        """Return the attributes of each item and their weights, of a name that occurs twice the sum."""
        found: list[dict[str, float]] = []
        for item in self._read.items():
            found.append({})
            for name, weight in item:
                found[-1][name] = found[-1].get(name, 0.0) + weight
        return found

    def read_on(self, backend: str) -> Any:
        """What a backend's kernel reads: what it made itself, or the items."""
        return self._read if self._backend == backend else self.items()

    def __repr__(self) -> str:
        return f"<ItemSequence of {len(self)} items>"
