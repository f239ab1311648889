"""Feature templates: attributes of items made from the columns of the rows around them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from operator import index
from typing import Any, TypeAlias

from .._backend import kernels
from .._immutable import Immutable
from .._labelled import rows_of
from .._validation import as_choice
from ._sequence import ItemSequence

# Pieces of text, and between them (row, column).
Line: TypeAlias = tuple[tuple[str, ...], tuple[tuple[int, int], ...]]

_MACRO = re.compile(r"%x\[\s*([+-]?\d+)\s*,\s*(\d+)\s*\]", re.ASCII)
_FAR, _WIDE = 1000, 1000


class FeatureTemplate(Immutable):
    """Attributes of items made from the columns of the rows around them, in the syntax of CRF++.

    Parameters
    ----------
    text : str
        A template: a line for each attribute, ``U01:%x[-1,0]/%x[0,0]``, where ``%x[row,column]`` stands for a value,
        the row counted from the item at hand, the column from 0. ``B`` stands for the pairs of labels, which a `CRF`
        always weighs; empty lines and those that begin with ``#`` say nothing.
    outside : {"name", "drop"}, default "name"
        What becomes of an attribute that reaches outside the sequence: the value there is called ``_B-1``, ``_B-2``,
        ... before it and ``_B+1``, ... behind it, as in CRF++; or the attribute is left out.

    Raises
    ------
    TypeError
        If `text` isn't a str.
    ValueError
        If a line is malformed; the message has its number.

    Attributes
    ----------
    text : str
        The template.

    Notes
    -----
    An attribute's name is its line with values in place of macros: lines that give the same name are the same attribute
    (so a bag of words is ``U:%x[-1,0]`` and ``U:%x[0,0]``). A sequence is a list of rows, a row a list or tuple of str,
    or a str where there is one column; a str is a sequence of its characters.

    `items` goes to `CRF` as it is. Values are numbered where they are read, and an attribute is looked up by its line
    and the numbers of its values: its name is written when those first meet (of a line of more than three macros, each
    time). O(attributes' occurrences times macros) time. Bigram lines with macros (``B01:%x[0,0]``: weights of an
    attribute and a pair of labels) aren't CRFsuite's model and are refused.

    Source: Kudo, *CRF++: yet another CRF toolkit*, 2005, for the syntax.

    Examples
    --------
    >>> from fastcore.crf import CRF, FeatureTemplate
    >>> template = FeatureTemplate('''
    ... # words
    ... U00:%x[-1,0]
    ... U01:%x[0,0]
    ... U02:%x[-1,0]/%x[0,0]
    ... B
    ... ''')
    >>> X = [[("a", "DT"), ("dog", "NN")], [("the", "DT"), ("dog", "NN"), ("barks", "VBZ")]]
    >>> template.apply(X[0]).items()[0]
    {'U00:_B-1': 1.0, 'U01:a': 1.0, 'U02:_B-1/a': 1.0}
    >>> crf = CRF(c2=0.1).fit(template.items(X), [["B", "I"], ["B", "I", "O"]])
    >>> crf.predict(template.items([[("the", "DT"), ("cat", "NN")]]))
    [['B', 'I']]
    """

    def __init__(self, text: str, *, outside: str = "name") -> None:
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, got {type(text).__name__}")
        self.text = text
        self.outside = as_choice(outside, "outside", ("name", "drop"))
        self._lines: tuple[Line, ...] = tuple(_parsed(text))

    @classmethod
    def of(cls, *, outside: str = "name", **columns: Iterable[Any]) -> "FeatureTemplate":
        """Return a template of what is asked of each column.

        Parameters
        ----------
        outside : {"name", "drop"}, default "name"
            As for the class.
        **columns : iterable of int and tuples
            The columns' names in their order, each with the rows that are attributes: ``0`` for the item's own value,
            ``(-1, 0)`` for the pair of it and the one before. In a tuple ``("tag", 0)`` is the value of another column.

        Raises
        ------
        TypeError
            If a row is something else.
        ValueError
            If there is no such column, or a name has what a template couldn't hold.

        Examples
        --------
        >>> from fastcore.crf import FeatureTemplate
        >>> template = FeatureTemplate.of(word=[-1, 0, (-1, 0)], tag=[0, (0, ("word", 0))])
        >>> print(template.text)
        U:word[-1]=%x[-1,0]
        U:word[0]=%x[0,0]
        U:word[-1]|word[0]=%x[-1,0]|%x[0,0]
        U:tag[0]=%x[0,1]
        U:tag[0]|word[0]=%x[0,1]|%x[0,0]
        >>> FeatureTemplate.of(character=[0, 1]).apply("ab").items()[0]
        {'U:character[0]=a': 1.0, 'U:character[1]=b': 1.0}
        """
        numbers = {name: i for i, name in enumerate(columns)}
        lines = []
        for name in columns:
            if "%" in name or name != name.strip() or len(name.splitlines()) != 1:
                raise ValueError(f"a column's name must be a word, got {name!r}")
            wanted = columns[name]
            if isinstance(wanted, str | bytes | Mapping) or not isinstance(wanted, Iterable):
                raise TypeError(f"{name} must be a list of rows, got {type(wanted).__name__}")
            for rows in wanted:
                parts = [_part(part, name, numbers) for part in (rows if isinstance(rows, tuple) else (rows,))]
                if not parts:
                    raise ValueError(f"{name} must hold no empty tuple")
                shown = "|".join(f"{column}[{row}]" for column, row in parts)
                lines.append(f"U:{shown}=" + "|".join(f"%x[{row},{numbers[column]}]" for column, row in parts))
        return cls("\n".join(lines), outside=outside)

    def apply(self, rows: Any) -> ItemSequence:
        """Return the items of one sequence.

        Parameters
        ----------
        rows : str, iterable of rows, or table
            A row is a str (one column) or an iterable of str. A DataFrame's columns are taken in their order.

        Raises
        ------
        TypeError
            If a row or a value has the wrong type.
        ValueError
            If rows have different numbers of columns, or fewer than the template asks for.
        """
        names = names_of(self, None)
        _, bounds, ids = names.read(iter([rows_of(rows, "rows")]), -1, 0)
        known = names.names()
        return ItemSequence([[known[i] for i in ids[a:b].tolist()] for a, b in pairwise(bounds.tolist())])

    def items(self, X: Any) -> "TemplateItems":
        """Return sequences with their attributes, for `CRF`: nothing is computed yet.

        Parameters
        ----------
        X : sequence of sequences of rows
            See `apply`. It is kept as it is.

        Returns
        -------
        TemplateItems
            A sequence of as many, each an `ItemSequence` when it is asked for.

        Raises
        ------
        TypeError
            If `X` isn't a sequence.
        """
        return TemplateItems(self, X)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FeatureTemplate):
            return NotImplemented
        return (self.text, self.outside) == (other.text, other.outside)

    def __hash__(self) -> int:
        return hash((self.text, self.outside))

    def __getstate__(self) -> dict[str, Any]:
        return {"text": self.text, "outside": self.outside}

    def __setstate__(self, state: dict[str, Any]) -> None:
        FeatureTemplate.__init__(self, state["text"], outside=state["outside"])

    def __repr__(self) -> str:
        more = "" if self.outside == "name" else f", outside={self.outside!r}"
        return f"FeatureTemplate({self.text!r}{more})"


class TemplateItems(Sequence[Any]):
    """Sequences of rows, with a template that says their attributes: what `FeatureTemplate.items` returns."""

    def __init__(self, template: FeatureTemplate, X: Any) -> None:
        if isinstance(X, str | bytes | Mapping) or not (hasattr(X, "__len__") and hasattr(X, "__getitem__")):
            raise TypeError(f"X must be a list of sequences of rows, got {type(X).__name__}")
        self.template, self.X = template, X

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return TemplateItems(self.template, self.X[index])
        return self.template.apply(self.X[index])

    def __repr__(self) -> str:
        return f"<TemplateItems of {len(self)} sequences>"


class Columns(Iterator[Any]):
    """Sequences of rows one after the other, whose attributes a template says; how many were read."""

    def __init__(self, items: TemplateItems) -> None:
        self.template, self.met = items.template, 0
        self._rest = iter(items.X)

    def __next__(self) -> Any:
        return rows_of(next(self._rest), "rows")


def names_of(template: FeatureTemplate, known: Iterable[str] | None, backend: str | None = None) -> Any:
    """The kernel's table of the names that a template gives, or of those known."""
    return kernels("crf.columns", backend).Names(template._lines, template.outside == "drop", known)


def _parsed(text: str) -> Iterator[Line]:
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        here = f"line {number} of the template"
        if line[0] not in "UB":
            raise ValueError(f"{here} must begin with U (or be B, or begin with # as a comment), got {line!r}")
        pieces, macros, at = [], [], 0
        while (found := line.find("%", at)) >= 0:
            macro = _MACRO.match(line, found)
            if macro is None:
                raise ValueError(f"{here} must have %x[row,column] where it has a %, got {line[found:]!r}")
            row, column = int(macro[1]), int(macro[2])
            if abs(row) > _FAR or column >= _WIDE:
                raise ValueError(
                    f"{here} must have rows in -{_FAR}..{_FAR} and columns in 0..{_WIDE - 1}, got {macro[0]!r}"
                )
            pieces.append(line[at:found])
            macros.append((row, column))
            at = macro.end()
        if line[0] == "U":
            yield (*pieces, line[at:]), tuple(macros)
        elif macros:
            raise ValueError(f"{here} must not have macros: a CRF weighs pairs of labels by themselves, got {line!r}")


def _part(part: Any, name: str, numbers: Mapping[str, int]) -> tuple[str, int]:
    """The column and the row of a value that `of` was asked for."""
    column, row = part if isinstance(part, tuple) and len(part) == 2 else (name, part)
    try:
        if not isinstance(column, str) or isinstance(row, bool):
            raise TypeError
        row = index(row)
    except TypeError:
        raise TypeError(f"{name} must hold rows, tuples of them, and in those (column, row), got {part!r}") from None
    if column not in numbers:
        raise ValueError(f"{name} must hold columns {', '.join(numbers)}, got {column!r}")
    return column, row
