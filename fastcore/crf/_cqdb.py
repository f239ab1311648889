"""CRFsuite's table of strings, the "constant quark database": names to ids by hashing, and ids to names.

Such a chunk is a header, 256 references to hash tables, the records (id, size, name, NUL) one after the other, the
tables, and the place of each id's record. Numbers are little-endian and of 32 bits, places count from the chunk's
beginning. A name's hash chooses its table by the lowest 8 bits, and by the others where to look first in it; half of
each table is empty, and what is taken already is passed by.

Source: Jenkins, *lookup3.c*, 2006, for the hash.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Bytes: TypeAlias = NDArray[np.uint8]

ID = b"CQDB"
# A number that says how the bytes of numbers are ordered.
ORDER = 0x62445371
TABLES = 256
HEAD = 24
RECORDS = HEAD + 8 * TABLES
# What all places, numbers of 32 bits, can reach.
LIMIT = 1 << 32
# Bytes of names that are worked on at a time.
PIECE = 1 << 20
# Bytes that one step of the hash takes.
BLOCK = 12


def uint32(*numbers: int) -> Bytes:
    """Numbers as they stand in a file."""
    return np.array(numbers, "<u4").view(np.uint8)


def numbers_at(data: Bytes, places: Array) -> Array:
    """The numbers at places, for which there is room."""
    return data[places[:, None] + np.arange(4)].view("<u4")[:, 0].astype(np.int64)


def run_of_numbers(data: Bytes, place: int, count: int) -> Array:
    """So many numbers from a place on, for which there is room."""
    return data[place : place + 4 * count].view("<u4").astype(np.int64)


def ranges(starts: Array, sizes: Array) -> Array:
    """The numbers of all ranges, one range after the other."""
    ends = np.cumsum(sizes)
    count = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - ends + sizes, sizes) + np.arange(count)


def _pieces(sizes: Array) -> Iterator[slice]:
    """Runs of names of about PIECE bytes, at least one name each."""
    ends, first = np.cumsum(sizes), 0
    while first < len(sizes):
        before = ends[first] - sizes[first]
        last = max(first + 1, int(np.searchsorted(ends, before + PIECE, "right")))
        yield slice(first, last)
        first = last


def hashes(text: Bytes, starts: Array, sizes: Array) -> NDArray[np.uint32]:
    """The hash of each name text[start:start + size], none of which is empty."""
    found = np.empty(len(sizes), np.uint32)
    for piece in _pieces(sizes):
        found[piece] = _hashes(text, starts[piece], sizes[piece])
    return found


def _hashes(text: Bytes, starts: Array, sizes: Array) -> NDArray[np.uint32]:
    blocks = -(-sizes // BLOCK)
    at = np.cumsum(blocks) - blocks
    # Each name from a new block on, with zeros up to the next.
    padded = np.zeros(BLOCK * int(blocks.sum()), np.uint8)
    padded[ranges(BLOCK * at, sizes)] = text[ranges(starts, sizes)]
    words = padded.view("<u4").reshape(-1, 3).astype(np.uint32)
    state = np.empty((3, len(sizes)), np.uint32)
    state[:] = (sizes + 0xDEADBEEF).astype(np.uint32)
    # The longest first: step k is that of the first names, whose number falls with k.
    order = np.argsort(-blocks, kind="stable")
    left = np.searchsorted(-blocks[order], -np.arange(int(blocks.max())), "left")
    for step, count in enumerate(left.tolist()):
        names = order[:count]
        here = state[:, names] + words[at[names] + step].T
        last = left[step + 1] if step + 1 < len(left) else 0
        state[:, names[:last]] = _mixed(*here[:, :last])
        state[2, names[last:]] = _ended(*here[:, last:])
    found: NDArray[np.uint32] = state[2]
    return found


def _turned(x: Array, bits: int) -> Array:
    return (x << np.uint32(bits)) | (x >> np.uint32(32 - bits))


def _mixed(a: Array, b: Array, c: Array) -> tuple[Array, Array, Array]:
    # The three change their parts at each step, and after six have their own again.
    for bits in (4, 6, 8, 16, 19, 4):
        a, b, c = b, c + b, (a - c) ^ _turned(c, bits)
    return a, b, c


def _ended(a: Array, b: Array, c: Array) -> Array:
    for bits in (14, 11, 25, 16, 4, 14, 24):
        a, b, c = b, (c ^ b) - _turned(b, bits), a
    return b


def pack(names: Sequence[str]) -> Bytes:
    """The chunk of some names, whose ids are 0, 1, ..."""
    text, sizes = _joined(names)
    starts = np.cumsum(sizes) - sizes
    count, room = len(names), RECORDS + 8 * len(names) + len(text)
    places = RECORDS + 8 * np.arange(count) + starts
    values = hashes(text, starts, sizes)
    slots, buckets = _tables(values, places)
    end = room + buckets.nbytes
    if end + 4 * count >= LIMIT:
        raise ValueError("a model in CRFsuite's format must be below 4 GiB")
    chunk = np.zeros(end + 4 * count, np.uint8)
    back = end if count else 0
    chunk[:HEAD] = np.concatenate([np.frombuffer(ID, np.uint8), uint32(len(chunk), 0, ORDER, count, back)])
    at = room + 8 * (np.cumsum(slots) - slots)
    references = np.stack([np.where(slots > 0, at, 0), slots], axis=1)
    chunk[HEAD:RECORDS] = references.astype("<u4").view(np.uint8).reshape(-1)
    for piece in _pieces(sizes):
        heads = np.stack([np.arange(piece.start, piece.stop), sizes[piece]], axis=1).astype("<u4")
        chunk[places[piece][:, None] + np.arange(8)] = heads.view(np.uint8)
        first, last = int(starts[piece.start]), int(starts[piece.stop - 1] + sizes[piece.stop - 1])
        chunk[ranges(places[piece] + 8, sizes[piece])] = text[first:last]
    chunk[room:end] = buckets.view(np.uint8).reshape(-1)
    chunk[end:] = places.astype("<u4").view(np.uint8)
    return chunk


def _joined(names: Sequence[str]) -> tuple[Bytes, Array]:
    """All names as UTF-8, each with a NUL behind it, and their sizes with it."""
    try:
        text = np.frombuffer("".join(f"{name}\0" for name in names).encode("utf-8"), np.uint8)
    except UnicodeEncodeError:
        bad = next(name for name in names if name != name.encode("utf-8", "ignore").decode("utf-8"))
        raise ValueError(f"a name can't be written in CRFsuite's format: {bad!r} has a lone surrogate") from None
    ends = np.flatnonzero(text == 0) + 1
    if len(ends) != len(names):
        bad = next(name for name in names if "\0" in name)
        raise ValueError(f"a name can't be written in CRFsuite's format: {bad!r} has a NUL")
    return text, np.diff(ends, prepend=0)


def _tables(values: NDArray[np.uint32], places: Array) -> tuple[Array, Array]:
    """Sizes of the tables, and their buckets (hash, place), as if names were put in one after the other."""
    table = (values & np.uint32(TABLES - 1)).astype(np.int64)
    slots = 2 * np.bincount(table, minlength=TABLES)
    first, size = (np.cumsum(slots) - slots)[table], slots[table]
    turn = (values >> np.uint32(8)).astype(np.int64) % np.maximum(size, 1)
    count = len(values)
    owner = np.full(int(slots.sum()), count)
    # All at once: each goes to its next bucket, and the earliest name has it; who had it or wanted it goes on.
    going = np.arange(count)
    while len(going):
        at = first[going] + turn[going]
        before = owner[at]
        np.minimum.at(owner, at, going)
        driven = before[(before < count) & (owner[at] != before)]
        going = np.concatenate([going[owner[at] != going], np.unique(driven)])
        turn[going] = (turn[going] + 1) % size[going]
    buckets = np.zeros((len(owner), 2), "<u4")
    taken = np.flatnonzero(owner < count)
    buckets[taken, 0], buckets[taken, 1] = values[owner[taken]], places[owner[taken]]
    return slots, buckets


def unpack(data: Bytes, start: int) -> list[str]:
    """The names of the chunk that begins at a place of a file, by their ids; ValueError if they can't be believed."""
    if start + RECORDS > len(data) or data[start : start + 4].tobytes() != ID:
        raise ValueError("a table of strings is missing")
    size, _, order, count, back = run_of_numbers(data, start + 4, 5).tolist()
    if order != ORDER or size < RECORDS or start + size > len(data):
        raise ValueError("a table of strings is damaged or cut short")
    chunk = data[start : start + size]
    if count and (back < RECORDS or back + 4 * count > size):
        raise ValueError("a table of strings has no places of its strings")
    places = run_of_numbers(chunk, back, count)
    if count and (places.min() < RECORDS or places.max() + 8 > size):
        raise ValueError("strings lie outside their table")
    ids, sizes = numbers_at(chunk, places), numbers_at(chunk, places + 4)
    # They don't lie over one another, so that together they are no larger than the table.
    if count and ((ids != np.arange(count)).any() or sizes.min() < 1 or sizes.sum() > size):
        raise ValueError("a table of strings has ids or sizes that can't be")
    if count and (places + 8 + sizes).max() > size:
        raise ValueError("strings lie outside their table")
    _check_tables(chunk, places)
    text = np.concatenate([chunk[ranges(places[piece] + 8, sizes[piece])] for piece in _pieces(sizes)] or [chunk[:0]])
    if not np.array_equal(np.flatnonzero(text == 0) + 1, np.cumsum(sizes)):
        raise ValueError("strings don't end where they should")
    try:
        return text.tobytes().decode("utf-8").split("\0")[:-1]
    except UnicodeDecodeError as error:
        raise ValueError(f"names must be UTF-8 ({error.reason})") from None


def _check_tables(chunk: Bytes, places: Array) -> None:
    """Refuse hash tables that don't hold each record once, or in which a search would never end."""
    at, slots = run_of_numbers(chunk, HEAD, 2 * TABLES).reshape(-1, 2).T
    slots = np.where(at > 0, slots, 0)
    if int(slots.sum()) > len(chunk) // 8 or (at + 8 * slots).max() > len(chunk):
        raise ValueError("a hash table of strings lies outside")
    found = numbers_at(chunk, ranges(at, 8 * slots)[4::8])
    taken = np.bincount(np.repeat(np.arange(TABLES), slots), found > 0, TABLES)
    if ((slots > 0) & (taken >= slots)).any() or not np.array_equal(np.sort(found[found > 0]), np.sort(places)):
        raise ValueError("hash tables of strings don't fit the strings")
