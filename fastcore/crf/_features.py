"""Items with named, weighted attributes, as CRFsuite takes them, made into flat arrays."""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._backend import active_backend, kernels
from ._sequence import ItemSequence
from ._template import Columns, FeatureTemplate, TemplateItems, names_of

Array: TypeAlias = NDArray[Any]

AT_ONCE = 4096


class Items(NamedTuple):
    """Concatenated sequences of items: CSR rows of attribute ids, with weights unless all are 1."""

    offsets: Array
    rows: Array
    attributes: Array
    values: Array

    def checked(self, dtype: Any) -> "Items":
        """These items, or an error that names `X` where a value is too large for the type of the scores."""
        if self.values.size:
            most, limit = float(np.abs(self.values).max()), float(np.finfo(dtype).max)
            if most > limit:
                raise ValueError(
                    f"X must hold values of at most {limit:.2g} with dtype {np.dtype(dtype).name!r}, got {most:.2g}"
                )
        return self


class AttributeIds:
    """Numbers of attributes: of known ones, or each new name gets the next."""

    def __init__(self, names: Iterable[str] | None = None, backend: str | None = None) -> None:
        self._backend = backend or active_backend()
        self._known = names if names is None or isinstance(names, PackedNames) else list(names)
        self._table: Any = None
        self._by_template: tuple[FeatureTemplate, Any] | None = None

    @property
    def _names(self) -> Any:
        # Made when first asked for: who has templates may never do.
        if self._table is None:
            self._table = kernels("crf.items", self._backend).Names(self._known)
        return self._table

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names.names())

    def read(self, sequences: Iterator[Any], steps: int) -> Items:
        """Read items until there are so many steps, or 16 times as many attributes; below 0: all."""
        backend = self._backend
        if isinstance(sequences, Columns):
            offsets, rows, attributes = self._named_by(sequences.template).read(sequences, steps, sequences.met)
            sequences.met += len(offsets) - 1
            return Items(offsets, rows, attributes, np.empty(0))
        return Items(
            *self._names.read((x.read_on(backend) if isinstance(x, ItemSequence) else x for x in sequences), steps)
        )

    def _named_by(self, template: FeatureTemplate) -> Any:
        """The same names as a template puts them together."""
        held = self._by_template
        if held is None or held[0] != template:
            held = self._by_template = template, names_of(template, self._known, self._backend)
            if self._known is None:
                # Names that are numbered as they come, all by one template.
                self._table = held[1]
        return held[1]


class PackedNames:
    """Names end to end in UTF-8: a third of what they take as objects, of which a model has many."""

    def __init__(self, names: Iterable[str]) -> None:
        ends, self._text = array("q", [0]), bytearray()
        for name in names:
            self._text += name.encode("utf-8", "surrogatepass")
            ends.append(len(self._text))
        self._ends = np.array(ends, np.int64)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __iter__(self) -> Iterator[str]:
        return self.taken(np.arange(len(self)))

    def taken(self, order: Array) -> Iterator[str]:
        """Yield the names of these numbers, some made at a time."""
        for i in range(0, len(order), AT_ONCE):
            some = order[i : i + AT_ONCE]
            for first, last in zip(self._ends[some].tolist(), self._ends[some + 1].tolist()):
                yield self._text[first:last].decode("utf-8", "surrogatepass")


def _sequences(X: Any) -> Iterator[Any]:
    if type(X) is list:
        return iter(X)  # first, since it is what one sentence a call comes in
    if isinstance(X, TemplateItems):
        return Columns(X)
    if isinstance(X, Mapping | str | bytes) or not isinstance(X, Iterable):
        raise TypeError(f"X must be a list of sequences, got {type(X).__name__}")
    return iter(X)


def index_items(X: Any, ids: AttributeIds) -> Items:
    """Number the attributes of all sequences; those without an id are left out."""
    return ids.read(_sequences(X), -1)


def index_pieces(x: Any, ids: AttributeIds, size: int) -> Iterator[Items]:
    """Number the attributes of one sequence, so many items at a time; those without an id are left out."""
    if isinstance(x, ItemSequence):
        x = x.items()
    if isinstance(x, Mapping | str | bytes) or not isinstance(x, Iterable):
        raise TypeError(f"x must be an iterable of items, got {type(x).__name__}")
    items = iter(x)
    return (index_items([piece], ids) for piece in iter(lambda: list(islice(items, size)), []))


def index_chunks(X: Any, ids: AttributeIds, steps: int) -> Iterator[Items]:
    """Number the attributes, giving new ones ids, and yield runs of sequences.

    A run has at least so many steps, or 16 times as many attributes, which bounds what it takes while it is worked on.
    """
    sequences = _sequences(X)
    while len((run := ids.read(sequences, steps)).offsets) > 1:
        yield run
