"""Two tables made one: the symbols of the second get the ids they have in the first."""

from typing import Any

import numpy as np

from .._backend import kernels
from ._layout import as_tuple, layout_for, narrow, repack


def merged(ours: Any, theirs: Any) -> dict[str, Any]:
    """Return what the table of both tables' texts is made of."""
    symbols, kernel = kernels("ngrams.symbols", ours._backend), kernels("ngrams.rows", ours._backend)
    encoder: Any = (
        symbols.Alphabet(np.array([[0, 0x110000]], np.int64)) if ours.unit == "char" else symbols.Vocabulary()
    )
    encoder.add(*as_tuple(ours._symbols))
    new_ids = encoder.add(*as_tuple(theirs._symbols))
    held = ours.orders[1] + 1
    layout = layout_for(held, len(encoder))
    ids_of = np.concatenate([np.zeros(1, np.uint32), new_ids])
    keys, counts = [], []
    for k in range(1, held + 1):
        ids = kernel.unpack(theirs._keys[k - 1], k, *theirs._layout)
        their_rows, their_counts = kernel.sort_rows(
            kernel.pack(ids_of[ids], *layout), theirs._counts[k - 1].astype(np.int64)
        )
        mine = repack(ours._keys[k - 1], k, ours._layout, layout, ours._backend)
        rows, sums = kernel.merge_runs([mine, their_rows], [ours._counts[k - 1].astype(np.int64), their_counts])
        keys.append(np.ascontiguousarray(rows))
        counts.append(narrow(sums))
    return {
        "orders": ours.orders,
        "unit": ours.unit,
        "symbols": encoder.symbols(),
        "layout": layout,
        "keys": keys,
        "counts": counts,
        "totals": [a + b for a, b in zip(ours._totals[:held], theirs._totals[:held], strict=True)],
        "backend": ours._backend,
    }
