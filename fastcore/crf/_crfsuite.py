"""CRFsuite's binary models, read and written.

A file is a header of 48 bytes, the features (type, source, label, weight) in 20 bytes each, tables of the strings of
labels and attributes (`_cqdb`), and for each label and attribute the numbers of its features. Type 0 is a state
feature, whose source is an attribute, type 1 a transition. Numbers are little-endian. Nothing read is believed before
it is checked, and nothing taken that is much larger than the file.

Source: Okazaki, *CRFsuite: a fast implementation of conditional random fields*, 2007, version 0.12, for the layout.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .._whole import AnyPath, whole_file
from ._cqdb import LIMIT, Array, Bytes, pack, ranges, run_of_numbers, uint32, unpack
from ._model import Features, Model

HEAD = 48
CHUNK = 12
VERSION = 100
FEATURE = np.dtype([("type", "<u4"), ("source", "<u4"), ("label", "<u4"), ("weight", "<f8")])
STATE, TRANSITION = 0, 1
# The numbers of the header, behind magic, size and type.
FIELDS = (
    "version",
    "num_features",
    "num_labels",
    "num_attrs",
    "off_features",
    "off_labels",
    "off_attrs",
    "off_labelrefs",
    "off_attrrefs",
)
# Pairs of labels that any file may have; a larger one, one for each of its bytes. Their scores are a full matrix.
PAIRS = 1 << 24


class Contents(NamedTuple):
    """What a file holds: a model, and the numbers of the header."""

    model: Model
    header: dict[str, int]


def read_model(path: AnyPath) -> Contents:
    """Read a file."""
    return parse_model(Path(path).read_bytes(), os.fspath(path))


def parse_model(content: bytes, name: str) -> Contents:
    """Read a file's content, or raise a ValueError that names it."""
    data = np.frombuffer(content, np.uint8)
    if content[:4] != b"lCRF":
        raise ValueError(f"{name} is no CRFsuite model")
    if len(data) < HEAD:
        raise ValueError(f"{name} is no whole CRFsuite model: its header is cut short")
    try:
        return _parsed(data)
    except ValueError as error:
        raise ValueError(f"{name} is no whole CRFsuite model: {error}") from None


def _parsed(data: Bytes) -> Contents:
    header = {"size": int(run_of_numbers(data, 4, 1)[0]), **dict(zip(FIELDS, run_of_numbers(data, 12, 9).tolist()))}
    if data[8:12].tobytes() != b"FOMC" or header["version"] != VERSION:
        raise ValueError("it is of another type or version")
    if not HEAD <= header["size"] <= len(data):
        raise ValueError(f"it should have {header['size']} bytes, and has {len(data)}")
    data = data[: header["size"]]
    labels, attributes = unpack(data, header["off_labels"]), unpack(data, header["off_attrs"])
    if len(labels) != header["num_labels"] or len(attributes) != header["num_attrs"]:
        raise ValueError("numbers of labels or attributes don't fit its strings")
    if len(set(labels)) < len(labels) or len(set(attributes)) < len(attributes):
        raise ValueError("names occur twice")
    if len(labels) ** 2 > max(PAIRS, len(data)):
        raise ValueError(f"{len(labels)} labels are too many for its size")
    place = header["off_features"]
    count = _count(data, place, b"FEAT")
    if place + CHUNK + FEATURE.itemsize * count > len(data):
        raise ValueError("features lie outside")
    kept, n = np.frombuffer(data, FEATURE, count, place + CHUNK), len(labels)
    # Two more than there are labels have a place there, and no features.
    sources, names, pair_weights = _features_of(data, header["off_labelrefs"], b"LFRF", n, 2, kept, n)
    owners, state_labels, state_weights = _features_of(
        data, header["off_attrrefs"], b"AFRF", len(attributes), 0, kept, n
    )
    features = Features(
        n,
        np.searchsorted(owners, np.arange(len(attributes) + 1)),
        state_labels.astype(np.int32),
        np.stack([sources, names], axis=1),
        np.zeros((n, n)),
        np.zeros(n),
        np.zeros(n),
    )
    model = Model(features, np.concatenate([state_weights, pair_weights]), attributes, labels)
    return Contents(model, header)


def _count(data: Bytes, place: int, kind: bytes) -> int:
    """How many features or lists a chunk says that it holds."""
    if place < HEAD or place + CHUNK > len(data) or data[place : place + 4].tobytes() != kind:
        raise ValueError(f"its part {kind.decode()} is missing")
    return int(run_of_numbers(data, place + 8, 1)[0])


def _features_of(
    data: Bytes, place: int, kind: bytes, owners: int, more: int, kept: Array, labels: int
) -> tuple[Array, Array, Array]:
    """Owners, labels and weights of the features that a chunk lists for each owner, in order."""
    count = _count(data, place, kind)
    if count != owners + more or place % 4 or place + CHUNK + 4 * count > len(data):
        raise ValueError(f"its part {kind.decode()} isn't of {owners + more} lists")
    at = run_of_numbers(data, place + CHUNK, owners)
    words = data[: len(data) // 4 * 4].view("<u4")
    at, odd = np.divmod(at, 4)
    if owners and (odd.any() or at.max() >= len(words)):
        raise ValueError(f"lists of {kind.decode()} lie outside")
    sizes = words[at].astype(np.int64)
    # Lists don't lie over one another, so that together they are no larger than the file.
    if owners and ((at + 1 + sizes).max() > len(words) or sizes.sum() > len(words)):
        raise ValueError(f"lists of {kind.decode()} lie outside")
    numbers = words[ranges(at + 1, sizes)]
    if len(numbers) and numbers.max() >= len(kept):
        raise ValueError(f"lists of {kind.decode()} have features that there aren't")
    found, owner = kept[numbers], np.repeat(np.arange(owners), sizes)
    good = (found["type"] == (TRANSITION if kind == b"LFRF" else STATE)) & (found["source"] == owner)
    if not (good & (found["label"] < labels)).all() or not np.isfinite(found["weight"]).all():
        raise ValueError(f"features of {kind.decode()} can't be")
    keys = owner * labels + found["label"]
    order = np.argsort(keys, kind="stable")
    if (np.diff(keys[order]) == 0).any():
        raise ValueError(f"features of {kind.decode()} occur twice")
    found = found[order]
    return owner[order], found["label"].astype(np.int64), found["weight"].astype(np.float64)


def write_model(path: AnyPath, model: Model) -> int:
    """Write a file and return its size; weights of 0, and attributes that have no others, are left out."""
    parts = _parts(*model)
    with whole_file(path) as file:
        for part in parts:
            file.write(part.data)
    return sum(map(len, parts))


def _parts(features: Features, weights: Array, attributes: list[str], labels: list[str]) -> list[Bytes]:
    states = len(features.state_labels)
    owners = np.repeat(np.arange(len(attributes)), np.diff(features.offsets))
    used, moved = np.flatnonzero(weights[:states]), np.flatnonzero(weights[states:])
    # Attributes that are left get new numbers.
    left, sources = np.unique(owners[used], return_inverse=True)
    n, m = len(used), len(moved)
    table = np.empty(n + m, FEATURE)
    table["type"][:n], table["type"][n:] = STATE, TRANSITION
    table["source"][:n], table["source"][n:] = sources, features.transitions[moved, 0]
    table["label"][:n], table["label"][n:] = features.state_labels[used], features.transitions[moved, 1]
    table["weight"] = weights[np.concatenate([used, states + moved])]
    parts, places, end = [_headed(b"FEAT", table.view(np.uint8), len(table))], [HEAD], HEAD
    end += len(parts[0])
    for names in (labels, [attributes[a] for a in left.tolist()]):
        parts.append(pack(names))
        places.append(end)
        end += len(parts[-1])
    for kind, count, more, own, first in (
        (b"LFRF", len(labels), 2, table["source"][n:], n),
        (b"AFRF", len(left), 0, table["source"][:n], 0),
    ):
        gap = -end % 4
        places.append(end + gap)
        parts += [np.zeros(gap, np.uint8), _lists(kind, end + gap, count, more, own, first)]
        end += gap + len(parts[-1])
    if end >= LIMIT:
        raise ValueError("a model in CRFsuite's format must be below 4 GiB")
    # CRFsuite itself leaves the number of features at 0.
    numbers = uint32(VERSION, 0, len(labels), len(left), *places)
    head = [np.frombuffer(b"lCRF", np.uint8), uint32(end), np.frombuffer(b"FOMC", np.uint8), numbers]
    return [*head, *parts]


def _headed(kind: bytes, content: Bytes, count: int) -> Bytes:
    return np.concatenate([np.frombuffer(kind, np.uint8), uint32(CHUNK + len(content), count), content])


def _lists(kind: bytes, place: int, owners: int, more: int, own: Any, first: int) -> Bytes:
    """A chunk with each owner's features, `own` being their owners, in order, and `first` the first's number."""
    sizes = np.bincount(own, minlength=owners)
    at = np.cumsum(sizes) - sizes + np.arange(owners)
    words = np.zeros(owners + more + owners + len(own), "<u4")
    base = owners + more
    words[:owners] = place + CHUNK + 4 * (base + at)
    words[base + at] = sizes
    words[ranges(base + at + 1, sizes)] = first + np.arange(len(own))
    return _headed(kind, words.view(np.uint8), base)
