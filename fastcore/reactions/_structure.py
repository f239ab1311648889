"""What the structure of a network says: which rates an event changes, what is conserved, how rates follow amounts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from math import gcd
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from ._network import ReactionNetwork
    from ._tables import Tables

# Pairs that a dependency graph may have before those that are alike are put together: about a gigabyte.
MOST_PAIRS = 100_000_000
# Terms that are looked at or changed in a search for laws: some seconds to a minute.
MOST_TERMS = 50_000_000
# Reactions that a notebook shows.
_SHOWN = 50


def changes(tables: Tables) -> csr_array[Any]:
    """The net change of each species (rows) by each reaction (columns)."""
    from scipy.sparse import csr_array

    shape = len(tables.change_at) - 1, len(tables.reader_at) - 1
    return csr_array(csr_array((tables.by, tables.changed, tables.change_at), shape).T)


def dependencies(tables: Tables) -> csr_array[Any]:
    """Whether an event of the reaction of a row changes the rate of the reaction of a column."""
    from scipy.sparse import csr_array

    readers = np.diff(tables.reader_at)
    pairs = int(readers[tables.changed].sum())
    if pairs > MOST_PAIRS:
        raise ValueError(
            f"the dependency graph would be made of {pairs:,} pairs of reactions, and at most {MOST_PAIRS:,} are "
            "supported: tables.changed and tables.reader say the same without pairs"
        )
    n, n_species = len(tables.change_at) - 1, len(readers)
    fires = csr_array((np.ones(len(tables.changed), np.int32), tables.changed, tables.change_at), (n, n_species))
    reads = csr_array((np.ones(len(tables.reader), np.int32), tables.reader, tables.reader_at), (n_species, n))
    found: csr_array[Any] = csr_array((fires @ reads).astype(bool))
    found.sort_indices()
    return found


def laws(tables: Tables) -> csr_array[Any]:
    """Whole numbers, a row a law, whose products with every reaction's changes are 0."""
    from scipy.sparse import csr_array

    found = _Laws(len(tables.reader_at) - 1)
    for change in _distinct(tables):
        found.hold(change)
    rows = found.result()
    if any(abs(n) > np.iinfo(np.int64).max for row in rows for n in row.values()):
        raise OverflowError("a conservation law has coefficients beyond 64 bits")
    ends = np.cumsum([0, *(len(row) for row in rows)])
    data = np.array([row[i] for row in rows for i in sorted(row)], np.int64)
    places = np.array([i for row in rows for i in sorted(row)], np.int64)
    return csr_array((data, places, ends), (len(rows), len(tables.reader_at) - 1))


def _distinct(tables: Tables) -> Iterator[list[tuple[int, int]]]:
    """What reactions change, each once: a reaction back says what the one there does. Those of few species first."""
    at, changed, by = tables.change_at.tolist(), tables.changed.tolist(), tables.by.tolist()
    found: dict[tuple[tuple[int, int], ...], None] = {}
    for j in range(len(at) - 1):
        terms = sorted(zip(changed[at[j] : at[j + 1]], by[at[j] : at[j + 1]]))
        if terms:
            sign = 1 if terms[0][1] > 0 else -1
            found[tuple([(i, sign * n) for i, n in terms])] = None
    return iter(sorted(map(list, found), key=len))


class _Laws:
    """A basis of what is conserved, from which each reaction takes what it doesn't conserve.

    At first every species is conserved by itself. A reaction that some rows of the basis don't balance takes one of
    them away, after it was added to the others so that they do: rational elimination in whole numbers.
    """

    def __init__(self, n: int) -> None:
        self.rows: dict[int, dict[int, int]] = {i: {i: 1} for i in range(n)}
        self.having: list[set[int]] = [{i} for i in range(n)]  # the rows in which a species stands
        self.terms = 0

    def spend(self, terms: int) -> None:
        self.terms += terms
        if self.terms > MOST_TERMS:
            raise ValueError(f"the conservation laws took more than {MOST_TERMS:,} terms of elimination to find")

    def hold(self, change: list[tuple[int, int]]) -> None:
        excess: dict[int, int] = {}
        for i, by in change:
            self.spend(1 + len(self.having[i]))
            for k in self.having[i]:
                excess[k] = excess.get(k, 0) + by * self.rows[k][i]
        excess = {k: value for k, value in excess.items() if value}
        if not excess:
            return
        # Rows of opposite signs are added, so laws stay sums where they can; short rows and ones keep them small.
        positive = sum(value > 0 for value in excess.values())
        many = 2 * positive > len(excess)
        pivot = min(excess, key=lambda k: (abs(excess[k]), (excess[k] > 0) == many, len(self.rows[k]), k))
        row, own = self.rows.pop(pivot), excess.pop(pivot)
        for i in row:
            self.having[i].discard(pivot)
        for k, value in excess.items():
            self.add(k, row, -value if own > 0 else value, abs(own))

    def add(self, k: int, row: dict[int, int], times: int, scale: int) -> None:
        """Make row k the smallest whole multiple of ``scale * row k + times * row``."""
        mine = self.rows[k]
        common = gcd(times, scale)
        times, scale = times // common, scale // common
        self.spend(len(row) + (len(mine) if scale > 1 else 0))
        if scale > 1:
            for i in mine:
                mine[i] *= scale
        for i, n in row.items():
            value = mine.get(i, 0) + times * n
            if value:
                mine[i] = value
                self.having[i].add(k)
            else:
                del mine[i]
                self.having[i].discard(k)
        if scale > 1 or abs(times) > 1:
            self.spend(len(mine) * (1 + max(map(int.bit_length, mine.values())) // 64))
            self.rows[k] = _smallest(mine)

    def result(self) -> list[dict[int, int]]:
        """The rows by their first species; with their signs turned, and others added, where that makes them sums."""
        for k, row in self.rows.items():
            row = self.rows[k] = _smallest(row)
            signs = sum(1 if n > 0 else -1 for n in row.values())
            if signs < 0 or (signs == 0 and row[min(row)] < 0):
                self.rows[k] = {i: -n for i, n in row.items()}
        sums = {k for k, row in self.rows.items() if min(row.values()) > 0}
        for k in self.rows.keys() - sums:
            for sign in (1, -1):
                mended = self.mended(k, sums, sign)
                if mended is not None:
                    self.rows[k] = mended
                    break
        return sorted(self.rows.values(), key=lambda row: (min(row), len(row)))

    def mended(self, k: int, sums: Collection[int], sign: int) -> dict[int, int] | None:
        """Row k, or its negative, with sums added until nothing in it is negative, if they are there."""
        row = {i: sign * n for i, n in self.rows[k].items()}
        for i in sorted(row):
            if row[i] >= 0:
                continue
            others = [other for other in self.having[i] if other in sums]
            if not others:
                return None
            shortest = self.rows[min(others, key=lambda other: (len(self.rows[other]), other))]
            times = -(row[i] // shortest[i])
            self.spend(len(shortest) + len(others))
            for other, n in shortest.items():
                row[other] = row.get(other, 0) + times * n
        return _smallest({i: n for i, n in row.items() if n})


def _smallest(row: dict[int, int]) -> dict[int, int]:
    """The same law without a common divisor."""
    common = gcd(*row.values())
    return row if common == 1 else {i: n // common for i, n in row.items()}


def slopes(
    network: ReactionNetwork, constants: NDArray[np.float64], x: NDArray[np.float64], t: float, values: Any
) -> csr_array[Any]:
    """Derivatives of the deterministic rates (rows) by the amounts (columns)."""
    from scipy.sparse import coo_array

    tables, n = network.tables, len(network.reactions)
    lengths = np.diff(tables.factor_at)
    found = [_by_factor(tables, constants, x, lengths)]
    place = {name: i for i, name in enumerate(network.species)}
    for j in network.programs:
        gradient = network.program_slopes(j, x, t, values)
        columns = np.array([place[name] for name in gradient], np.int64)
        found.append((np.full(len(columns), j), columns, np.array([*gradient.values()], np.float64)))
    rows, columns, data = (np.concatenate(parts) for parts in zip(*found))
    return coo_array((data, (rows, columns)), (n, len(x))).tocsr()


def _by_factor(
    tables: Tables, constants: NDArray[np.float64], x: NDArray[np.float64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """For each factor of each product: the reaction, the species, and the product of all others."""
    of = np.repeat(np.arange(len(lengths)), lengths)
    others = constants[of]
    position = np.arange(len(of)) - tables.factor_at[of]
    values = x[tables.factor] - tables.shift
    for k in range(int(lengths.max(initial=0))):
        there = (lengths[of] > k) & (position != k)
        others[there] *= values[tables.factor_at[of[there]] + k]
    return of, tables.factor, others


def html(network: ReactionNetwork) -> str:
    """A table of reactions, parameters and initial amounts."""
    from html import escape

    lines = [f"<p><b>{escape(repr(network))}</b></p>"]
    rows = [str(reaction).rpartition(" @ ") for reaction in network.reactions[:_SHOWN]]
    lines.append(_table(("reaction", "rate"), [(sides, rate) for sides, _, rate in rows], len(network.reactions)))
    params = [(name, "?" if value != value else f"{value:g}") for name, value in network.params.items()]
    tables = [("parameter", params), ("variable", [*network.variables.items()])]
    tables.append(("initial amount", [(name, f"{value:g}") for name, value in (network.x0 or {}).items()]))
    for title, listed in tables:
        if listed:
            lines.append(_table((title, ""), listed[:_SHOWN], len(listed)))
    lines += [f"<p><code>{escape(event)}</code></p>" for event in network.events[:_SHOWN]]
    return "\n".join(lines)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], total: int) -> str:
    from html import escape

    def line(cells: tuple[str, ...], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag} style='text-align:left'>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = [line(head, "th"), *(line(row, "td") for row in rows)]
    if total > len(rows):
        body.append(line((f"and {total - len(rows):,} more", ""), "td"))
    return "<table>" + "".join(body) + "</table>"
