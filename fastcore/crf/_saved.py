"""A trained field as a description and plain arrays, and back."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from .._npz import Arrays, Kind
from ._crfsuite import PAIRS
from ._features import Array
from ._model import Features, Model

DTYPES = {
    "offsets": ("<i8",),
    "state_labels": ("<i4",),
    "transitions": ("<i8",),
    "weights": ("<f8",),
    "attributes": ("|u1",),
    "attribute_ends": ("<i8",),
    "classes": ("|u1",),
    "class_ends": ("<i8",),
}
FIELD = Kind("CRF", "a CRF", 1, (1,), DTYPES.get)


def describe(model: Model, params: Mapping[str, Any]) -> tuple[dict[str, Any], Arrays]:
    """Return a model and those parameters that are plain values (no executor) as a description and arrays."""
    features, weights, attributes, classes = model
    plain = {name: _plain(value) for name, value in params.items()}
    arrays = {
        "offsets": features.offsets.astype("<i8"),
        "state_labels": features.state_labels.astype("<i4"),
        "transitions": features.transitions.astype("<i8"),
        "weights": weights.astype("<f8"),
    }
    arrays["attributes"], arrays["attribute_ends"] = _joined(attributes)
    arrays["classes"], arrays["class_ends"] = _joined(classes)
    return {"params": {k: v for k, v in plain.items() if v is None or isinstance(v, bool | int | float | str)}}, arrays


def parts(meta: Mapping[str, Any], arrays: Arrays) -> Model:
    """Return the model, or raise an error if it can't be believed."""
    if any(arrays[name].ndim != 1 + (name == "transitions") for name in DTYPES) or not isinstance(meta["params"], dict):
        raise ValueError("arrays don't have the shapes they should")
    attributes = _names(arrays["attributes"], arrays["attribute_ends"])
    classes = _names(arrays["classes"], arrays["class_ends"])
    offsets, labels, pairs, weights = (arrays[name] for name in ("offsets", "state_labels", "transitions", "weights"))
    n, states = len(classes), len(labels)
    if n * n > max(PAIRS, sum(array.nbytes for array in arrays.values())):
        raise ValueError(f"{n} labels are too many for its size")
    if (
        len(offsets) != len(attributes) + 1
        or offsets[0] != 0
        or offsets[-1] != states
        or (len(attributes) and int(np.diff(offsets).min()) < 0)
    ):
        raise ValueError("offsets don't fit the features")
    if (states and (labels.min() < 0 or labels.max() >= n)) or pairs.shape[1] != 2:
        raise ValueError("features have labels that there aren't")
    if pairs.size and (pairs.min() < 0 or pairs.max() >= n):
        raise ValueError("features have labels that there aren't")
    owners = np.repeat(np.arange(len(attributes)), np.diff(offsets))
    if not _rise(owners * n + labels) or not _rise(pairs[:, 0] * n + pairs[:, 1]):
        raise ValueError("features aren't in order, or occur twice")
    if len(weights) != states + len(pairs) or not np.isfinite(weights).all():
        raise ValueError("weights don't fit the features")
    native = [array.astype(array.dtype.newbyteorder("=")) for array in (offsets, labels, pairs, weights)]
    features = Features(n, native[0], native[1], native[2], np.zeros((n, n)), np.zeros(n), np.zeros(n))
    return Model(features, native[3], attributes, classes)


def _plain(value: Any) -> Any:
    """A number as a file has it."""
    if isinstance(value, np.generic):
        return value.item()
    # Decimal and Fraction, which `fit` takes.
    return float(str(value)) if isinstance(value, Decimal) else float(value) if isinstance(value, Fraction) else value


def _rise(keys: Array) -> bool:
    return bool((np.diff(keys) > 0).all())


def _joined(names: Sequence[str]) -> tuple[Array, Array]:
    """Names end to end, as UTF-8 in which surrogates may stand alone, and their ends."""
    encoded = [name.encode("utf-8", "surrogatepass") for name in names]
    return np.frombuffer(b"".join(encoded), np.uint8), np.cumsum([len(name) for name in encoded], dtype="<i8")


def _names(text: Array, ends: Array) -> list[str]:
    sizes = np.diff(ends, prepend=0)
    if (len(ends) and int(sizes.min()) < 0) or len(text) != (ends[-1] if len(ends) else 0):
        raise ValueError("ends of names don't fit them")
    data, names, start = text.tobytes(), [], 0
    for end in ends.tolist():
        names.append(data[start:end].decode("utf-8", "surrogatepass"))
        start = end
    if len(set(names)) < len(names):
        raise ValueError("names occur twice")
    return names
