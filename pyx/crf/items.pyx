"""Kernels that read items: named, weighted attributes, made into flat arrays of the names' ids."""

import numpy as np

from collections.abc import Iterable as _Iterable, Mapping as _Mapping

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_Check, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_CheckExact, PyDict_Next, PyDict_Size
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.list cimport PyList_CheckExact, PyList_GET_ITEM, PyList_GET_SIZE
from cpython.object cimport PyObject
from cpython.unicode cimport (
    PyUnicode_Check, PyUnicode_DATA, PyUnicode_DecodeUTF8, PyUnicode_GET_LENGTH, PyUnicode_KIND, PyUnicode_READ,
)
from libc.math cimport INFINITY, isfinite
from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.string cimport memcpy

from _interner cimport BATCH, Batch, Interner, batch_add, batch_find, batch_ids, interner_id, interner_init
from _interner cimport interner_strings
from _numbers cimport Numbers, append, numbers_array
from _owned cimport Pool, free_all, roomy
from _signals cimport Pace, new_pace, spend
from _turns cimport enter, leave
from _utf8 cimport first_invalid_byte, write_utf8

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)
    int Py_EnterRecursiveCall(const char *where) except -1
    void Py_LeaveRecursiveCall()

cdef enum:
    CHUNK = 4096  # code points between two words on what was spent
    NAME = 24     # what a name takes, in nanoseconds or so

# What else may be nested in an item, and what is a number without being Python's.
cdef tuple NESTED = (_Mapping, list, set, frozenset, tuple)
cdef tuple NUMBERS = (bool, int, float, np.number, np.bool_)


cdef inline Py_ssize_t room_for(object text) except -1:
    # The most bytes that a str or bytes takes.
    if PyUnicode_Check(text):
        return PyUnicode_GET_LENGTH(text) * (1 if PyUnicode_IS_ASCII(text) else 4)
    return PyBytes_GET_SIZE(text)


cdef double weight_of(object name, object value) except? -1:
    """The weight that a number gives a name."""
    cdef double weight
    if PyFloat_CheckExact(value):
        weight = PyFloat_AS_DOUBLE(value)
    else:
        try:
            weight = float(value)
        except OverflowError:
            weight = INFINITY
    if not isfinite(weight):
        raise ValueError(f"weights of attributes must be finite, got {name!r}: {value!r}")
    return weight


cdef object number_of(object value):
    """What a number of another kind, as a Decimal, is as a float; None for what is no number."""
    if not hasattr(value, "__float__") or getattr(value, "ndim", 0):
        return None
    try:
        return float(value)
    except OverflowError:
        return INFINITY
    except (TypeError, ValueError):
        return None


cdef bint is_named(object item) except -1:
    """Whether it has names for what it holds without being a Mapping: a Series, unless its labels are 0, 1, ..."""
    return hasattr(item, "keys") and hasattr(item, "items") and type(item.keys()).__name__ != "RangeIndex"


cdef class _Walk:
    """One walk over sequences of items: what was found so far, and the names that wait to be looked up.

    Names lie end to end in `text`: of those that wait, or, where there is no table, of all.
    """

    cdef Pool pool
    cdef Pace pace
    cdef Interner *table
    cdef bint grows
    cdef Batch batch
    cdef uint8_t *text
    cdef Py_ssize_t used, text_room
    # What is before a nested name: "outer:inner:".
    cdef uint8_t *prefix
    cdef Py_ssize_t prefix_room
    # n names were met; the first `settled` have their ids.
    cdef int32_t *ids
    cdef Py_ssize_t n, settled, ids_room
    # Kept from the first weight that isn't 1 on.
    cdef double *values
    cdef Py_ssize_t n_values, values_room
    cdef Numbers ends, rows, offsets

    def __cinit__(self):
        self.pace = new_pace()
        self.text = <uint8_t *>roomy(&self.pool, NULL, &self.text_room, 1024, 1)
        append(&self.ends, &self.pool, 0)
        append(&self.rows, &self.pool, 0)
        append(&self.offsets, &self.pool, 0)

    def __dealloc__(self):
        free_all(&self.pool)

    cdef int add_value(self, double weight) except -1:
        """Keep the weight of the name that comes next."""
        if weight == 1.0 and self.n_values == 0:
            return 0
        self.values = <double *>roomy(&self.pool, self.values, &self.values_room, self.n + 1, sizeof(double))
        while self.n_values < self.n:
            self.values[self.n_values] = 1.0
            self.n_values += 1
        self.values[self.n] = weight
        self.n_values += 1
        return 0

    cdef int settle(self) except -1:
        """Look up the names that wait."""
        cdef uint32_t[BATCH] found
        cdef int i, n = self.batch.n
        if self.table == NULL:
            return 0
        self.ids = <int32_t *>roomy(&self.pool, self.ids, &self.ids_room, self.settled + BATCH, sizeof(int32_t))
        if self.grows:
            batch_ids(&self.batch, self.table, found)
            for i in range(n):
                self.ids[self.settled + i] = <int32_t>found[i]
        else:
            batch_find(&self.batch, self.table, self.ids + self.settled)
        self.settled += n
        self.used = 0
        return 0

    cdef int write(self, object text) except -1:
        """Write a str or bytes, for which there is room, behind what is there."""
        cdef Py_ssize_t i, n
        cdef int kind
        cdef const void *data
        if PyBytes_Check(text):
            n = PyBytes_GET_SIZE(text)
            if first_invalid_byte(<const uint8_t *>PyBytes_AS_STRING(text), n) >= 0:
                raise ValueError(f"names and values of attributes that are bytes must be UTF-8, got {text!r}")
            memcpy(self.text + self.used, PyBytes_AS_STRING(text), n)
            self.used += n
            return 0
        n = PyUnicode_GET_LENGTH(text)
        data = PyUnicode_DATA(text)
        if PyUnicode_IS_ASCII(text):
            memcpy(self.text + self.used, data, n)
            self.used += n
            return 0
        kind = PyUnicode_KIND(text)
        for i in range(n):
            self.used += write_utf8(self.text + self.used, PyUnicode_READ(kind, data, i))
            if i % CHUNK == CHUNK - 1:
                spend(&self.pace, 4 * CHUNK)
        return 0

    cdef int begin(self, Py_ssize_t before, Py_ssize_t more) except -1:
        """Make room for a name of so many bytes more than the prefix, and write the prefix."""
        if self.used + before + more > self.text_room:
            self.settle()
            self.text = <uint8_t *>roomy(&self.pool, self.text, &self.text_room, self.used + before + more, 1)
        if before:
            memcpy(self.text + self.used, self.prefix, before)
            self.used += before
        return 0

    cdef int end(self, Py_ssize_t start, double weight) except -1:
        """Take text[start:used] as the next name."""
        self.add_value(weight)
        self.n += 1
        if self.table == NULL:
            append(&self.ends, &self.pool, self.used)
        elif batch_add(&self.batch, self.table, self.text + start, self.used - start):
            self.settle()
        return 0

    cdef int add(self, Py_ssize_t before, object name, double weight) except -1:
        """Take a name behind so many bytes of the prefix."""
        cdef Py_ssize_t start
        spend(&self.pace, NAME)
        if not PyUnicode_Check(name) and not PyBytes_Check(name):
            raise TypeError(f"names of attributes must be str, got {type(name).__name__} {name!r}")
        self.begin(before, room_for(name))
        start = self.used - before
        self.write(name)
        return self.end(start, weight)

    cdef int add_pair(self, Py_ssize_t before, object name, object value) except -1:
        """Take what a mapping holds."""
        cdef Py_ssize_t start
        if not PyUnicode_Check(name) and not PyBytes_Check(name):
            raise TypeError(f"names of attributes must be str, got {type(name).__name__} {name!r}")
        if PyUnicode_Check(value) or PyBytes_Check(value):
            spend(&self.pace, NAME)
            self.begin(before, room_for(name) + 1 + room_for(value))
            start = self.used - before
            self.write(name)
            self.text[self.used] = c":"
            self.used += 1
            self.write(value)
            return self.end(start, 1.0)
        if PyFloat_CheckExact(value) or isinstance(value, NUMBERS):
            return self.add(before, name, weight_of(name, value))
        if isinstance(value, NESTED):
            return self.add_nested(before, name, value)
        number = number_of(value)
        if number is not None:
            return self.add(before, name, weight_of(name, number))
        raise TypeError(
            "an attribute's value must be a str, a number, or a mapping or list of attributes, "
            f"got {name!r}: {type(value).__name__}"
        )

    cdef int add_nested(self, Py_ssize_t before, object name, object value) except -1:
        """Take an item's attributes with a name before theirs."""
        cdef Py_ssize_t start, size
        self.begin(before, room_for(name) + 1)
        start = self.used - before
        self.write(name)
        self.text[self.used] = c":"
        self.used += 1
        size = self.used - start
        self.prefix = <uint8_t *>roomy(&self.pool, self.prefix, &self.prefix_room, size, 1)
        memcpy(self.prefix + before, self.text + start + before, size - before)
        self.used = start
        Py_EnterRecursiveCall(b" in nested attributes")
        try:
            self.add_item(size, value)
        finally:
            Py_LeaveRecursiveCall()
        return 0

    cdef int add_item(self, Py_ssize_t before, object item) except -1:
        """Take the attributes of an item."""
        cdef Py_ssize_t i = 0, size
        cdef PyObject *name
        cdef PyObject *value
        if PyList_CheckExact(item):
            # Asked each time: whoever runs meanwhile may make the list shorter.
            while i < PyList_GET_SIZE(item):
                self.add(before, <object>PyList_GET_ITEM(item, i), 1.0)
                i += 1
        elif PyDict_CheckExact(item):
            size = PyDict_Size(item)
            while PyDict_Next(item, &i, &name, &value):
                self.add_pair(before, <object>name, <object>value)
                if PyDict_Size(item) != size:
                    raise RuntimeError("an item changed size while it was read")
        elif isinstance(item, _Mapping) or is_named(item):
            for key, held in item.items():
                self.add_pair(before, key, held)
        elif isinstance(item, _Iterable) and not isinstance(item, (str, bytes)):
            for key in item:
                self.add(before, key, 1.0)
        else:
            raise TypeError(f"an item must be a mapping or a list of attributes, got {type(item).__name__}")
        return 0

    cdef int end_item(self) except -1:
        spend(&self.pace, NAME)
        return append(&self.rows, &self.pool, self.n)

    cdef int add_items(self, object sequence) except -1:
        """Take the items of a sequence: a list of them, or an object whose ``items()`` lists them."""
        cdef Py_ssize_t i = 0
        if not PyList_CheckExact(sequence):
            if hasattr(sequence, "items") and not hasattr(sequence, "keys"):
                sequence = sequence.items()
            # Not in one tuple with the others: there an exception from the check would be lost.
            if isinstance(sequence, (str, bytes)) or isinstance(sequence, _Mapping) or not isinstance(
                sequence, _Iterable
            ):
                raise TypeError(f"a sequence must be a list of items, got {type(sequence).__name__}")
        if PyList_CheckExact(sequence):
            while i < PyList_GET_SIZE(sequence):
                self.add_item(0, <object>PyList_GET_ITEM(sequence, i))
                self.end_item()
                i += 1
        else:
            for item in sequence:
                self.add_item(0, item)
                self.end_item()
        return 0

    cdef int add_read(self, _Walk other) except -1:
        """Take items that were read before."""
        cdef Py_ssize_t i = 0, k
        self.settle()
        for k in range(1, other.rows.length):
            while i < other.rows.data[k]:
                spend(&self.pace, NAME)
                self.add_value(other.values[i] if other.n_values else 1.0)
                self.n += 1
                if batch_add(&self.batch, self.table, other.text + other.ends.data[i],
                             other.ends.data[i + 1] - other.ends.data[i]):
                    self.settle()
                i += 1
            self.end_item()
        # The other may be gone when the next look-ups come.
        return self.settle()

    cdef int end_sequence(self) except -1:
        return append(&self.offsets, &self.pool, self.rows.length - 1)

    cdef int leave_out_unknown(self) except -1:
        """Close the gaps that names without an id leave."""
        cdef Py_ssize_t i = 0, k, kept = 0
        cdef bint plain = True
        for k in range(1, self.rows.length):
            spend(&self.pace, NAME)
            while i < self.rows.data[k]:
                if self.ids[i] >= 0:
                    self.ids[kept] = self.ids[i]
                    if self.n_values:
                        self.values[kept] = self.values[i]
                        plain = plain and self.values[i] == 1.0
                    kept += 1
                i += 1
            self.rows.data[k] = kept
        self.n = kept
        if plain:
            self.n_values = 0
        return 0

    cdef tuple arrays(self):
        """Offsets of the sequences, rows of the items, ids, and weights unless all are 1."""
        ids, values = np.empty(self.n, np.int32), np.empty(self.n if self.n_values else 0)
        cdef int32_t[::1] to_ids = ids
        cdef double[::1] to_values = values
        if self.n:
            memcpy(&to_ids[0], self.ids, self.n * sizeof(int32_t))
        if self.n_values:
            memcpy(&to_values[0], self.values, self.n * sizeof(double))
        return numbers_array(&self.offsets), numbers_array(&self.rows), ids, values


cdef class Sequence:
    """A sequence of items, read once for all models."""

    cdef _Walk walk

    def __cinit__(self, items=()):
        self.walk = _Walk()
        self.walk.add_items(items)

    def __len__(self):
        return self.walk.rows.length - 1

    def items(self):
        """The items as lists of (name, weight)."""
        cdef _Walk walk = self.walk
        cdef Py_ssize_t i = 0, k, start
        cdef list found = [], item
        for k in range(1, walk.rows.length):
            item = []
            while i < walk.rows.data[k]:
                spend(&walk.pace, 100)
                start = walk.ends.data[i]
                name = PyUnicode_DecodeUTF8(
                    <const char *>walk.text + start, walk.ends.data[i + 1] - start, "surrogatepass")
                item.append((name, walk.values[i] if walk.n_values else 1.0))
                i += 1
            found.append(item)
        return found


cdef class Names:
    """Names of attributes and their ids 0, 1, ...: of those given and no others, or of all in order of occurrence.

    Names that are given are looked up by any number of calls at a time; calls that number new ones come one by one.
    """

    cdef Pool pool
    cdef Pace pace
    cdef Interner table
    cdef bint grows
    cdef long busy

    def __cinit__(self, known=None):
        self.pace = new_pace()
        interner_init(&self.table, &self.pool, &self.pace, 0x7FFFFFFF)
        self.grows = known is None
        if known is not None:
            self.fill(known)

    def __dealloc__(self):
        free_all(&self.pool)

    cdef int fill(self, known) except -1:
        cdef _Walk walk = _Walk()
        cdef Py_ssize_t before
        for name in known:
            spend(&walk.pace, NAME)
            if not PyUnicode_Check(name):
                raise TypeError(f"names must be str, got {type(name).__name__}")
            walk.used = 0
            walk.begin(0, room_for(name))
            walk.write(name)
            before = self.table.count
            if interner_id(&self.table, walk.text, walk.used) != before:
                raise ValueError(f"names must differ, got {name!r} twice")
        return 0

    def __len__(self):
        return self.table.count

    def names(self):
        """The names in the order of their ids."""
        enter(&self.busy, self)
        try:
            return interner_strings(&self.table)
        finally:
            leave(&self.busy)

    def read(self, sequences, Py_ssize_t steps):
        """Read sequences of items from an iterator: (offsets, rows, ids, weights).

        Until there are that many items, or 16 times as many attributes (below 0: all). Sequence s has the items
        offsets[s] to offsets[s + 1], item t the attributes ids[rows[t]:rows[t + 1]], of weight 1 if there are no
        weights. Names that are neither known nor numbered are left out.
        """
        if not self.grows:
            return self._read(sequences, steps)
        enter(&self.busy, self)
        try:
            return self._read(sequences, steps)
        finally:
            leave(&self.busy)

    cdef _read(self, sequences, Py_ssize_t steps):
        cdef _Walk walk = _Walk()
        walk.table = &self.table
        walk.grows = self.grows
        for sequence in sequences:
            if isinstance(sequence, Sequence):
                walk.add_read((<Sequence>sequence).walk)
            else:
                walk.add_items(sequence)
            walk.end_sequence()
            if steps >= 0 and (walk.rows.length > steps or walk.n >= 16 * steps):
                break
        walk.settle()
        if not self.grows:
            walk.leave_out_unknown()
        return walk.arrays()
