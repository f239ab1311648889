"""A table as a description and plain arrays, and back."""

from typing import Any

import numpy as np

from .._backend import kernels
from .._npz import Arrays
from .._validation import as_choice, as_index
from ._layout import MAX_ORDER, Layout, Symbols, as_tuple


def describe(table: Any) -> tuple[dict[str, Any], Arrays]:
    """Return a table as a description and plain arrays."""
    # A pruned table has no order above the highest, and a table of one order may share more than it needs.
    high = table.orders[1]
    held = min(len(table._keys), high + 1)
    meta = {
        "orders": list(table.orders),
        "unit": table.unit,
        "min_count": table.min_count,
        "layout": list(table._layout),
        "totals": list(table._totals[: high + 1]),
    }
    arrays: Arrays = dict(zip(("text", "offsets"), table._symbols)) if table.unit == "token" else {}
    if not isinstance(table._symbols, tuple):
        arrays["points"] = table._symbols
    for k in range(1, held + 1):
        arrays[f"keys_{k}"], arrays[f"counts_{k}"] = table._keys[k - 1], table._counts[k - 1]
    for (side, k), entropy in table._entropy.items():
        if k in table._each():
            arrays[f"{side}_{k}"] = entropy
    return meta, arrays


def parts(meta: dict[str, Any], arrays: Arrays, check: bool = True) -> dict[str, Any]:
    """Return what a table is made of, or raise an error if it can't be believed."""
    low, high = (as_index(k, "orders", low=1, high=MAX_ORDER) for k in meta["orders"])
    unit = as_choice(meta["unit"], "unit", ("char", "token"))
    min_count = as_index(meta["min_count"], "min_count", low=1)
    per_word, radix = meta["layout"]
    layout = Layout(as_index(per_word, "layout", low=1, high=64), as_index(radix, "layout", low=2, high=2**32))
    length = len(meta["totals"])
    totals = [as_index(v, "totals", high=2**63 - 1) for v in meta["totals"]]
    if low > high or length != high + 1:
        raise ValueError("orders and totals don't fit")
    symbols: Symbols = arrays["points"] if unit == "char" else (arrays["text"], arrays["offsets"])
    check_symbols(symbols)
    n = len(symbols[1]) - 1 if isinstance(symbols, tuple) else len(symbols)
    if layout.radix <= n or layout.radix**layout.per_word > 2**64:
        raise ValueError("layout and symbols don't fit")
    held = range(1, length + 1 if min_count == 1 else length)
    keys, counts = [arrays[f"keys_{k}"] for k in held], [arrays[f"counts_{k}"] for k in held]
    kernel = kernels("ngrams.rows")
    if check and len(_encoder_of(symbols)) != n:
        raise ValueError("symbols must be distinct")
    for k, (rows, count) in enumerate(zip(keys, counts, strict=True), 1):
        if rows.ndim != 2 or rows.shape != (len(count), layout.words(k)) or count.ndim != 1:
            raise ValueError(f"keys and counts of order {k} don't fit")
        if not check:
            continue
        if len(count) and int(count.min()) < min_count:
            raise ValueError(f"counts of order {k} are too small")
        if not kernel.is_sorted(rows):
            raise ValueError(f"keys of order {k} aren't in order")
        for start in range(0, len(rows), 1 << 20):
            ids = kernel.unpack(np.ascontiguousarray(rows[start : start + (1 << 20)]), k, *layout)
            if ids.min() < 1 or ids.max() > n:
                raise ValueError(f"keys of order {k} have ids out of range")
            if not np.array_equal(kernel.pack(ids, *layout), rows[start : start + (1 << 20)]):
                raise ValueError(f"keys of order {k} hold more than their ids")
        if min_count == 1 and int(count.sum(dtype=np.int64)) != totals[k - 1]:
            raise ValueError(f"counts of order {k} don't add up to their total")
    entropy = {
        (side, k): arrays[f"{side}_{k}"]
        for side in ("left", "right")
        for k in range(low, high + 1)
        if min_count > 1 or f"{side}_{k}" in arrays
    }
    for (side, k), values in entropy.items():
        if values.shape != counts[k - 1].shape:
            raise ValueError(f"{side} entropies of order {k} don't fit")
    return {
        "orders": (low, high),
        "unit": unit,
        "symbols": symbols,
        "layout": layout,
        "keys": keys,
        "counts": counts,
        "totals": totals,
        "min_count": min_count,
        "entropy": entropy,
    }


def _encoder_of(symbols: Symbols) -> Any:
    """An encoder that has met these symbols."""
    kernel = kernels("ngrams.symbols")
    encoder: Any = kernel.Vocabulary() if isinstance(symbols, tuple) else kernel.Alphabet(np.array([[0, 0x110000]]))
    encoder.add(*as_tuple(symbols))
    return encoder


def check_symbols(symbols: Symbols) -> None:
    """Refuse symbols that aren't Unicode scalar values, or tokens whose offsets or UTF-8 are wrong."""
    if isinstance(symbols, tuple):
        text, offsets = symbols
        if text.ndim != 1 or offsets.ndim != 1 or not len(offsets) or offsets[0] != 0 or offsets[-1] != len(text):
            raise ValueError("offsets don't fit the text")
        if len(offsets) > 1 and int(np.diff(offsets).min()) < 0:
            raise ValueError("offsets don't rise")
        starts = offsets[:-1][np.diff(offsets) > 0]
        if len(text) and ((text[starts] & 0xC0) == 0x80).any():
            raise ValueError("offsets cut a character")
        text.tobytes().decode("utf-8")
    elif symbols.ndim != 1 or ((symbols >= 0x110000) | ((symbols >= 0xD800) & (symbols < 0xE000))).any():
        raise ValueError("symbols must be Unicode scalar values")
