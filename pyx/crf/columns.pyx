"""Kernels of feature templates: attributes whose names are put together from columns, made into ids.

A line of a template is a pair of pieces of text, one more than macros, and macros (row, column): an item's attribute is
the pieces with the column's value so many rows from the item between them. Values are numbered once, where they are
read; an attribute is its line and the numbers of its values, and its name is written only when those first meet.
"""

import numpy as np

from collections.abc import Iterable as _Iterable, Mapping as _Mapping

from cpython.bytes cimport PyBytes_Check
from cpython.list cimport PyList_CheckExact
from cpython.tuple cimport PyTuple_CheckExact
from cpython.unicode cimport PyUnicode_Check, PyUnicode_GET_LENGTH
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from _interner cimport BATCH as FOUND, Batch, Interner, batch_add, batch_find, interner_id, interner_init
from _interner cimport interner_strings
from _numbers cimport Numbers, append, numbers_array
from _owned cimport Pool, free_all, roomy, zeros
from _signals cimport Pace, new_pace, spend
from _table cimport Cell, Table, table_after, table_fetch, table_find, table_init, table_settle
from _turns cimport enter, leave
from _utf8 cimport Scratch, utf8_of

cdef enum:
    BATCH = 64   # attributes that are looked up together
    NAME = 16    # what an attribute takes, in nanoseconds or so
    NUMBERS = 3  # macros of a line up to which its attributes are known by the numbers of their values

cdef struct Piece:
    const uint8_t *text
    Py_ssize_t length

cdef struct Macro:
    Py_ssize_t row, column

cdef struct Line:
    Piece *pieces
    Macro *macros
    Py_ssize_t n

cdef struct Met:
    # A cell of the table of attributes met: the line and its first value, which with the key say the other values too;
    # two more than the id, or 1 for one that isn't among those known.
    uint64_t key
    uint64_t mark
    uint64_t first

cdef struct Waiting:
    # An attribute that waits to be looked up; then its cell, or without one its id.
    uint64_t first, key
    Py_ssize_t item, line, id
    Met *cell


cdef inline bint is_row(object it) except -1:
    # Whether it is iterable, and none whose order or characters nobody means. One check after the other: in a tuple of
    # kinds, an exception from the first would be lost.
    if PyTuple_CheckExact(it) or PyList_CheckExact(it):
        return True
    if PyBytes_Check(it) or isinstance(it, _Mapping):
        return False
    return isinstance(it, _Iterable)


cdef class _Met:
    # Numbers of values, and the attributes that they and lines made so far.
    cdef Pool pool
    cdef Pace pace
    cdef Interner values
    cdef Table table
    cdef Scratch scratch
    cdef uint32_t *before  # values of what stands 1, 2, ... places before a sequence,
    cdef uint32_t *after   # and behind it

    def __cinit__(self, Py_ssize_t reach):
        cdef Py_ssize_t i
        self.pace = new_pace()
        interner_init(&self.values, &self.pool, &self.pace, 0x7FFFFFFF)
        table_init(&self.table, &self.pool, &self.pace, 0, sizeof(Met))
        self.before = <uint32_t *>zeros(&self.pool, reach, sizeof(uint32_t))
        self.after = <uint32_t *>zeros(&self.pool, reach, sizeof(uint32_t))
        for i in range(reach):
            self.before[i] = self.number(f"_B-{i + 1}", 0, -1)
            self.after[i] = self.number(f"_B+{i + 1}", 0, -1)

    def __dealloc__(self):
        free_all(&self.pool)

    cdef uint32_t number(self, object text, Py_ssize_t start, Py_ssize_t stop) except? 0xFFFFFFFF:
        """The number of the value text[start:stop], to the end if `stop` is below 0."""
        cdef Py_ssize_t size
        cdef const uint8_t *data
        stop = PyUnicode_GET_LENGTH(text) if stop < 0 else stop
        self.scratch.used = 0
        data = utf8_of(text, start, stop, &size, &self.scratch, &self.pool)
        spend(&self.pace, NAME + size)
        return <uint32_t>interner_id(&self.values, data, size)


cdef class Names:
    """Names that a template gives attributes, and their ids 0, 1, ...: of those known only, or of all in order.

    An item whose macro reaches outside its sequence has `_B-1`, `_B-2`, ... or `_B+1`, ... for the value there, or
    where `drop` is set, no attribute of that line. Names that are known are looked up by any number of calls at a time;
    calls that number new ones come one by one.
    """

    cdef Pool pool
    cdef Pace pace
    cdef Interner table
    cdef Line *lines
    cdef Py_ssize_t n_lines, n_columns, reach
    cdef bint drop
    cdef _Met met  # kept where names are numbered as they come
    cdef long busy

    def __cinit__(self, lines, bint drop, known=None):
        self.pace = new_pace()
        interner_init(&self.table, &self.pool, &self.pace, 0x7FFFFFFF)
        self.drop = drop
        lines = list(lines)
        self.lines = <Line *>zeros(&self.pool, len(lines), sizeof(Line))
        for pieces, macros in lines:
            self.add_line(&self.lines[self.n_lines], tuple(pieces), tuple(macros))
            self.n_lines += 1
        if known is None:
            self.met = _Met(self.reach)
        else:
            self.fill(known)

    def __dealloc__(self):
        free_all(&self.pool)

    cdef int add_line(self, Line *line, tuple pieces, tuple macros) except -1:
        cdef Py_ssize_t i
        cdef bytes text
        cdef uint8_t *own
        if len(pieces) != len(macros) + 1:
            raise ValueError(f"a line must have a piece more than macros, got {len(pieces)} and {len(macros)}")
        line.pieces = <Piece *>zeros(&self.pool, len(pieces), sizeof(Piece))
        line.macros = <Macro *>zeros(&self.pool, len(macros), sizeof(Macro))
        line.n = len(macros)
        for i in range(line.n + 1):
            text = str.encode(pieces[i], "utf-8", "surrogatepass")
            own = <uint8_t *>zeros(&self.pool, len(text), 1)
            memcpy(own, <const char *>text, len(text))
            line.pieces[i] = Piece(own, len(text))
        for i in range(line.n):
            row, column = macros[i]
            if not (-1000 <= row <= 1000 and 0 <= column < 1000):
                raise ValueError(f"a macro must have a row in -1000..1000 and a column in 0..999, got {macros[i]}")
            line.macros[i] = Macro(row, column)
            self.reach = max(self.reach, abs(line.macros[i].row))
            self.n_columns = max(self.n_columns, line.macros[i].column + 1)
        return 0

    cdef int fill(self, known) except -1:
        cdef Scratch scratch
        cdef Py_ssize_t before, size
        cdef const uint8_t *data
        scratch.text, scratch.used, scratch.room = NULL, 0, 0
        for name in known:
            spend(&self.pace, NAME)
            if not PyUnicode_Check(name):
                raise TypeError(f"names must be str, got {type(name).__name__}")
            scratch.used = 0
            data = utf8_of(name, 0, PyUnicode_GET_LENGTH(name), &size, &scratch, &self.pool)
            before = self.table.count
            if interner_id(&self.table, data, size) != before:
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

    def read(self, sequences, Py_ssize_t steps, Py_ssize_t first):
        """Read sequences of rows from an iterator: (offsets, rows, ids).

        Until there are that many rows, or 16 times as many attributes (below 0: all). Sequence s, X[first + s] in
        messages, has the rows offsets[s] to offsets[s + 1], row t the attributes ids[rows[t]:rows[t + 1]]. A sequence
        is an iterable of rows, a row a str (one column) or an iterable of str; so a str is one of its characters.
        """
        if self.met is None:
            return self._read(sequences, steps, first, _Met(self.reach))
        enter(&self.busy, self)
        try:
            return self._read(sequences, steps, first, self.met)
        finally:
            leave(&self.busy)

    cdef _read(self, sequences, Py_ssize_t steps, Py_ssize_t first, _Met met):
        cdef _Walk walk = _Walk(self, met)
        for sequence in sequences:
            walk.add_sequence(first + walk.offsets.length - 1, sequence)
            if steps >= 0 and (walk.rows.length > steps or walk.count >= 16 * steps):
                break
        return walk.arrays()


cdef class _Walk:
    # One walk over sequences of rows: the values of the sequence at hand, and what was found so far.
    cdef Names names
    cdef _Met met
    cdef bint grows
    cdef Pool pool
    cdef Pace pace
    cdef uint32_t *values  # row by row, as many in each as the template asks for
    cdef Py_ssize_t n_rows, n_values, values_room
    cdef Waiting[BATCH] waiting
    cdef int n_waiting
    # Names that wait to be looked up among those known, end to end, and their cells.
    cdef uint8_t *text
    cdef Py_ssize_t used, text_room
    cdef Batch batch
    cdef Met *cells[FOUND]
    cdef int32_t *ids
    cdef Py_ssize_t n, ids_room, count
    cdef Py_ssize_t ended  # rows of the sequence whose attributes are all found
    cdef Numbers rows, offsets

    def __cinit__(self, Names names, _Met met):
        self.names, self.met, self.grows = names, met, met is names.met
        self.pace = new_pace()
        self.text = <uint8_t *>roomy(&self.pool, NULL, &self.text_room, 1024, 1)
        append(&self.rows, &self.pool, 0)
        append(&self.offsets, &self.pool, 0)

    def __dealloc__(self):
        free_all(&self.pool)

    cdef int add_sequence(self, Py_ssize_t s, object sequence) except -1:
        cdef Py_ssize_t t
        self.n_rows = self.n_values = self.ended = 0
        if PyUnicode_Check(sequence):
            self.read_characters(s, sequence)
        else:
            if not is_row(sequence):
                raise TypeError(f"X[{s}] must be a sequence of rows, got {type(sequence).__name__}")
            self.read_rows(s, tuple(sequence))
        for t in range(self.n_rows):
            self.add_row(t)
            spend(&self.pace, NAME * self.names.n_lines + 8)
        self.settle()
        self.end_rows(self.n_rows)
        return append(&self.offsets, &self.pool, self.rows.length - 1)

    cdef int read_characters(self, Py_ssize_t s, object text) except -1:
        """A str's characters are its rows, of one column."""
        cdef Py_ssize_t i, n = PyUnicode_GET_LENGTH(text)
        if n and self.names.n_columns > 1:
            raise ValueError(f"X[{s}] must have at least {self.names.n_columns} columns for this template, got a str")
        if self.names.n_columns:
            for i in range(n):
                self.add_value(self.met.number(text, i, i + 1))
        self.n_rows = n
        return 0

    cdef int read_rows(self, Py_ssize_t s, tuple rows) except -1:
        cdef Py_ssize_t t, k, count = 0, most = self.names.n_columns
        cdef tuple values
        for t in range(len(rows)):
            row = rows[t]
            if PyUnicode_Check(row):
                values = (row,)
            elif is_row(row):
                values = tuple(row)
            else:
                raise TypeError(f"X[{s}][{t}] must be a str or a row of str, got {type(row).__name__}")
            if t == 0:
                count = len(values)
            if len(values) != count:
                raise ValueError(f"X[{s}][{t}] must have {count} columns, as the row before, got {len(values)}")
            if count < most:
                raise ValueError(f"X[{s}][{t}] must have at least {most} columns for this template, got {count}")
            for k in range(count):
                value = values[k]
                if not PyUnicode_Check(value):
                    raise TypeError(f"X[{s}][{t}] must hold str, got {type(value).__name__}")
                if k < most:
                    self.add_value(self.met.number(value, 0, -1))
        self.n_rows = len(rows)
        return 0

    cdef int add_value(self, uint32_t value) except -1:
        self.values = <uint32_t *>roomy(&self.pool, self.values, &self.values_room, self.n_values + 1, sizeof(uint32_t))
        self.values[self.n_values] = value
        self.n_values += 1
        return 0

    cdef inline uint32_t value(self, Py_ssize_t t, const Macro *macro) noexcept:
        """What a macro stands for at a row of the sequence."""
        cdef Py_ssize_t at = t + macro.row
        if 0 <= at < self.n_rows:
            return self.values[at * self.names.n_columns + macro.column]
        return self.met.before[-at - 1] if at < 0 else self.met.after[at - self.n_rows]

    cdef bint reaches_outside(self, Py_ssize_t t, const Line *line) noexcept:
        cdef Py_ssize_t i
        for i in range(line.n):
            if not 0 <= t + line.macros[i].row < self.n_rows:
                return True
        return False

    cdef int add_row(self, Py_ssize_t t) except -1:
        """Let the attributes of a row wait to be looked up."""
        cdef Py_ssize_t k
        cdef const Line *line
        cdef Waiting *one
        cdef uint64_t second
        for k in range(self.names.n_lines):
            line = &self.names.lines[k]
            if self.names.drop and self.reaches_outside(t, line):
                continue
            one = &self.waiting[self.n_waiting]
            one.item, one.line = t, k
            if line.n <= NUMBERS:
                one.first, second = <uint64_t>k << 32, 0
                if line.n > 0:
                    one.first |= self.value(t, &line.macros[0])
                if line.n > 1:
                    second = self.value(t, &line.macros[1])
                if line.n > 2:
                    second |= <uint64_t>self.value(t, &line.macros[2]) << 32
                # Any two odd numbers: what has the same first word and another second one has another key.
                one.key = one.first * <uint64_t>0xD6E8FEB86659FD93 ^ second * <uint64_t>0xC2B2AE3D27D4EB4F
                one.key ^= one.key >> 32
                table_fetch(&self.met.table, one.key, sizeof(Met))
            self.n_waiting += 1
            if self.n_waiting == BATCH:
                self.settle()
        return 0

    cdef int settle(self) except -1:
        """Look up what waits."""
        cdef int i, n = self.n_waiting
        cdef Waiting *one
        self.n_waiting = 0
        self.count += n
        for i in range(n):
            self.look_up(&self.waiting[i])
        self.look_up_names()
        self.ids = <int32_t *>roomy(&self.pool, self.ids, &self.ids_room, self.n + n, sizeof(int32_t))
        for i in range(n):
            one = &self.waiting[i]
            self.end_rows(one.item)
            if one.cell != NULL:
                one.id = <Py_ssize_t>one.cell.mark - 2
            if one.id >= 0:
                self.ids[self.n] = <int32_t>one.id
                self.n += 1
        # Not before: cells of a table that grows go elsewhere.
        return table_settle(&self.met.table, sizeof(Met))

    cdef int look_up(self, Waiting *one) except -1:
        """Find an attribute's cell, and if it is new, let its name wait."""
        cdef Table *table = &self.met.table
        cdef Met *cell
        cdef Py_ssize_t length
        one.cell = NULL
        if self.names.lines[one.line].n > NUMBERS:
            length = self.write_name(one)
            one.id = self.id_of(self.text + self.used, length)
            return 0
        cell = <Met *>table_find(table, one.key, sizeof(Met))
        while cell.mark and cell.first != one.first:
            cell = <Met *>table_after(table, <Cell *>cell, one.key, sizeof(Met))
        one.cell = cell
        if cell.mark:
            return 0
        length = self.write_name(one)
        if self.grows:
            cell.mark = <uint64_t>(self.id_of(self.text + self.used, length) + 2)
        else:
            cell.mark = 1
            self.cells[self.batch.n] = cell
            batch_add(&self.batch, &self.names.table, self.text + self.used, length)
            self.used += length
        cell.key, cell.first = one.key, one.first
        table.size += 1
        if self.batch.n == FOUND:
            self.look_up_names()
        return 0

    cdef void look_up_names(self) noexcept:
        """Give the cells of names that wait the ids of those."""
        cdef int32_t[FOUND] found
        cdef int i, n = self.batch.n
        batch_find(&self.batch, &self.names.table, found)
        for i in range(n):
            self.cells[i].mark = <uint64_t>(found[i] + 2)
        self.used = 0

    cdef Py_ssize_t id_of(self, const uint8_t *name, Py_ssize_t length) except? -1:
        """The id of one name, -1 if it isn't among those known."""
        cdef Batch batch
        cdef int32_t id
        if self.grows:
            return interner_id(&self.names.table, name, length)
        batch.n = 0
        batch_add(&batch, &self.names.table, name, length)
        batch_find(&batch, &self.names.table, &id)
        return id

    cdef Py_ssize_t write_name(self, const Waiting *one) except -1:
        """Write an attribute's name behind those that wait; return its length."""
        cdef const Line *line = &self.names.lines[one.line]
        cdef const Interner *values = &self.met.values
        cdef Py_ssize_t i, length = line.pieces[0].length
        cdef uint32_t value
        cdef uint8_t *to
        for i in range(line.n):
            value = self.value(one.item, &line.macros[i])
            length += values.ends[value + 1] - values.ends[value] + line.pieces[i + 1].length
        if self.used + length > self.text_room:
            self.look_up_names()
            self.text = <uint8_t *>roomy(&self.pool, self.text, &self.text_room, length, 1)
        to = self.text + self.used
        for i in range(line.n + 1):
            memcpy(to, line.pieces[i].text, line.pieces[i].length)
            to += line.pieces[i].length
            if i < line.n:
                value = self.value(one.item, &line.macros[i])
                memcpy(to, values.arena + values.ends[value], values.ends[value + 1] - values.ends[value])
                to += values.ends[value + 1] - values.ends[value]
        return length

    cdef inline int end_rows(self, Py_ssize_t t) except -1:
        """All attributes of the rows before t are found."""
        while self.ended < t:
            append(&self.rows, &self.pool, self.n)
            self.ended += 1
        return 0

    cdef tuple arrays(self):
        ids = np.empty(self.n, np.int32)
        cdef int32_t[::1] to_ids = ids
        if self.n:
            memcpy(&to_ids[0], self.ids, self.n * sizeof(int32_t))
        return numbers_array(&self.offsets), numbers_array(&self.rows), ids
