"""Kernels of the feature CRF: scores from sparse attributes, and the gradient back to the features.

Step p of the concatenated sequences has attributes attributes[items[p]:items[p + 1]], each with a value, or 1 if
`values` is empty. Attribute a owns the features feature_offsets[a] to feature_offsets[a + 1], feature k being
the pair of a and label feature_labels[k]; an attribute with a feature for every label has them in order.
"""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from _signals cimport Pace, new_pace, spend
from _types cimport real

cdef extern from "memory_hints.h" nogil:
    void FASTCORE_PREFETCH(const void* p)

cdef extern from "rows.h" nogil:
    enum:
        FR_AHEAD
        FR_TOGETHER
    void fr_add_rows_float(float* rows, Py_ssize_t labels, const int32_t* steps, const float* values, Py_ssize_t count,
                           const float* weights)
    void fr_add_rows_double(double* rows, Py_ssize_t labels, const int32_t* steps, const double* values,
                            Py_ssize_t count, const double* weights)
    void fr_sum_rows_float(const float* rows, Py_ssize_t labels, const int32_t* steps, const float* values,
                           Py_ssize_t count, double* sums)
    void fr_sum_rows_double(const double* rows, Py_ssize_t labels, const int32_t* steps, const double* values,
                            Py_ssize_t count, double* sums)
    void fr_add_panel_float(float* rows, Py_ssize_t labels, const float* values, Py_ssize_t count,
                            const float* weights)
    void fr_add_panel_double(double* rows, Py_ssize_t labels, const double* values, Py_ssize_t count,
                             const double* weights)
    void fr_sum_panel_float(const float* rows, Py_ssize_t labels, const float* values, Py_ssize_t count, double* sums)
    void fr_sum_panel_double(const double* rows, Py_ssize_t labels, const double* values, Py_ssize_t count,
                             double* sums)
    void fr_add_few_float(int c, float* rows, Py_ssize_t labels, const uint32_t* features, const int32_t* steps,
                          const float* values, Py_ssize_t count, const int32_t* names, const float* weights)
    void fr_add_few_double(int c, double* rows, Py_ssize_t labels, const uint32_t* features, const int32_t* steps,
                           const double* values, Py_ssize_t count, const int32_t* names, const double* weights)
    void fr_sum_few_float(int c, const float* rows, Py_ssize_t labels, const uint32_t* features, const int32_t* steps,
                          const float* values, Py_ssize_t count, const int32_t* names, double* sums)
    void fr_sum_few_double(int c, const double* rows, Py_ssize_t labels, const uint32_t* features,
                           const int32_t* steps, const double* values, Py_ssize_t count, const int32_t* names,
                           double* sums)

cdef extern from "sums.h" nogil:
    double fs_dot_float(const float* a, const float* b, Py_ssize_t n)
    double fs_dot_double(const double* a, const double* b, Py_ssize_t n)
    double fs_add_float(double* out, double share, const float* x, const float* y, Py_ssize_t n)
    double fs_add_double(double* out, double share, const double* x, const double* y, Py_ssize_t n)

cdef enum:
    FAR = 16      # attributes ahead whose place in the table of features is fetched,
    NEAR = 8      # and whose features are: rare attributes lie all over memory
    FEW = 3       # labels of an attribute up to which its features are taken one by one
    STRETCH = 65536  # steps of an attribute between two looks for Ctrl-C
    STAY = 1024   # steps whose rows stay in cache while all panels are gone through
    PIECE = 1024  # numbers of a vector that are added up before they are added to a sum
    RADIX_BITS = 11
    RADIX = 2048


def state_scores(const int64_t[::1] items, const int32_t[::1] attributes, const real[::1] values,
                 const int64_t[::1] feature_offsets, const int32_t[::1] feature_labels, const real[::1] weights,
                 Py_ssize_t labels):
    """scores[p, y] = sum over attributes a of step p of value * weight of (a, y)."""
    cdef Py_ssize_t n = items.shape[0] - 1, total = attributes.shape[0], p, i, k, first, last, y, ahead
    cdef bint plain = values.shape[0] == 0
    cdef Pace pace = new_pace()
    result = np.zeros((n, labels), dtype=np.float32 if real is float else np.float64)
    cdef real[:, ::1] scores = result
    cdef real value = 1
    cdef real* row
    cdef const real* weight
    if feature_labels.shape[0] == 0:
        return result
    with nogil:
        for p in range(n):
            row = &scores[p, 0]
            for i in range(items[p], items[p + 1]):
                if i + FAR < total:
                    FASTCORE_PREFETCH(&feature_offsets[attributes[i + FAR]])
                    ahead = feature_offsets[attributes[i + NEAR]]
                    FASTCORE_PREFETCH(&feature_labels[0] + ahead)
                    FASTCORE_PREFETCH(&weights[0] + ahead)
                first = feature_offsets[attributes[i]]
                last = feature_offsets[attributes[i] + 1]
                if not plain:
                    value = values[i]
                if last - first == labels:
                    weight = &weights[0] + first
                    for y in range(labels):
                        row[y] += value * weight[y]
                else:
                    for k in range(first, last):
                        row[feature_labels[k]] += value * weights[k]
            spend(&pace, 8 * (items[p + 1] - items[p]) + labels)
    return result


def by_attribute(const int64_t[::1] items, const int32_t[::1] attributes, const real[::1] values):
    """Turn steps' attributes into attributes' steps: (owners, starts, steps, values).

    Attribute owners[j], ascending, occurs at steps[starts[j]:starts[j + 1]], ascending, with those values. Linear:
    a radix sort.
    """
    cdef Py_ssize_t n = items.shape[0] - 1, total = attributes.shape[0], p, i, count = 0
    cdef bint plain = values.shape[0] == 0
    cdef Pace pace = new_pace()
    cdef uint64_t[::1] memory = np.empty(2 * total + 1, dtype=np.uint64)
    cdef uint64_t* pairs = &memory[0]
    cdef uint64_t* other = &memory[total]
    cdef int64_t[::1] places = np.zeros(RADIX, dtype=np.int64)
    cdef int32_t[::1] step_of = np.empty(total, dtype=np.int32)
    cdef uint64_t largest = 0
    cdef int64_t before, held
    cdef int shift = 32
    with nogil:
        for p in range(n):
            for i in range(items[p], items[p + 1]):
                step_of[i] = <int32_t>p
                pairs[i] = <uint64_t>attributes[i] << 32 | <uint64_t>i
                largest = max(largest, pairs[i])
            spend(&pace, 4 * (items[p + 1] - items[p]) + 1)
        while shift < 64 and largest >> shift:
            places[:] = 0
            for i in range(total):
                places[pairs[i] >> shift & (RADIX - 1)] += 1
            before = 0
            for i in range(RADIX):
                held = places[i]
                places[i] = before
                before += held
            for i in range(total):
                p = pairs[i] >> shift & (RADIX - 1)
                other[places[p]] = pairs[i]
                places[p] += 1
            pairs, other = other, pairs
            shift += RADIX_BITS
            spend(&pace, 4 * total)
        for i in range(total):
            count += i == 0 or pairs[i] >> 32 != pairs[i - 1] >> 32
    owner_array = np.empty(count, dtype=np.int32)
    start_array = np.empty(count + 1, dtype=np.int64)
    step_array = np.empty(total, dtype=np.int32)
    value_array = np.empty(0 if plain else total, dtype=np.float32 if real is float else np.float64)
    cdef int32_t[::1] owners = owner_array, steps = step_array
    cdef int64_t[::1] starts = start_array
    cdef real[::1] kept = value_array
    with nogil:
        count = 0
        for i in range(total):
            if i == 0 or pairs[i] >> 32 != pairs[i - 1] >> 32:
                owners[count] = <int32_t>(pairs[i] >> 32)
                starts[count] = i
                count += 1
            steps[i] = step_of[<uint32_t>pairs[i]]
            if not plain:
                kept[i] = values[<uint32_t>pairs[i]]
        starts[count] = total
    return owner_array, start_array, step_array, value_array


def count_labels(const int32_t[::1] owners, const int64_t[::1] starts, const int32_t[::1] steps,
                 const real[::1] values, const int32_t[::1] y, Py_ssize_t first, double[:, ::1] sums,
                 uint8_t[:, ::1] seen):
    """Add to sums[a - first, y] the values with which attribute a occurs at steps of label y, and mark seen.

    Steps of label -1 are passed over.
    """
    cdef Py_ssize_t j, i, a, label
    cdef bint plain = values.shape[0] == 0
    cdef Pace pace = new_pace()
    with nogil:
        for j in range(owners.shape[0]):
            a = owners[j] - first
            for i in range(starts[j], starts[j + 1]):
                label = y[steps[i]]
                if label >= 0:
                    sums[a, label] += 1.0 if plain else values[i]
                    seen[a, label] = 1
            spend(&pace, 8 * (starts[j + 1] - starts[j]) + 8)


def plan_features(const int64_t[::1] feature_offsets, const int32_t[::1] feature_labels, Py_ssize_t labels):
    """Plan where the weights of a model's features stand while it is trained; opaque to callers.

    Attributes of more than a few labels are worked on as rows of all labels. What has all labels is a row as it stands;
    the others get one in a table behind the weights. Attributes of few labels, mostly rare ones, are taken feature by
    feature.
    """
    cdef Py_ssize_t n = feature_offsets.shape[0] - 1, a, size
    cdef Py_ssize_t few = max(<Py_ssize_t>FEW, labels // 8)
    cdef int64_t row = feature_labels.shape[0], features = row
    cdef Pace pace = new_pace()
    if features > 0xffffffff:
        raise ValueError("X and y must hold fewer than 2**32 features")
    # Where each attribute's row stands; -1 for few labels, -2 for none.
    place_array = np.empty(n, np.int64)
    cdef int64_t[::1] places = place_array
    with nogil:
        for a in range(n):
            size = feature_offsets[a + 1] - feature_offsets[a]
            if size == labels:
                places[a] = feature_offsets[a]
            elif size > few:
                places[a] = row
                row += labels
            else:
                places[a] = -1 if size else -2
            spend(&pace, 1)
    tabled = np.flatnonzero(place_array >= features)
    return np.asarray(feature_offsets), np.asarray(feature_labels), place_array, tabled, labels, few


def lay_out(const int32_t[::1] owners, const int64_t[::1] starts, const int32_t[::1] steps, const real[::1] values,
            plan):
    """Lay out what `by_attribute` made for `scores_by_attribute` and `gradient_by_attribute`; opaque to callers.

    Attributes that occur at each step with a value of their own, as measurements do, go some together into panels.
    """
    cdef const int64_t[::1] feature_offsets = plan[0], places = plan[2]
    cdef Py_ssize_t few = plan[5], n = owners.shape[0], j, i, size, held, wide = 0, length, dense, taken = 0
    # How much there is of 0: rows, 1 ... few: attributes of so many labels; then where the next goes.
    cdef int64_t[::1] totals = np.zeros(few + 1, np.int64), at
    cdef bint plain = values.shape[0] == 0
    cdef Pace pace = new_pace()
    # Which attributes occur at each of the first `length` steps; a rest too few for a panel doesn't count.
    cdef uint8_t[::1] even = np.zeros(n, np.uint8)
    length = 0
    dense = 0
    with nogil:
        if not plain:
            for j in range(n):
                held = starts[j + 1] - starts[j]
                if places[owners[j]] >= -1 and held >= length and steps[starts[j]] == 0 \
                        and steps[starts[j + 1] - 1] == held - 1:
                    i = 1
                    while i < held and steps[starts[j] + i] == i:
                        i += 1
                    if i == held:
                        dense = dense + 1 if held == length else 1
                        length = held
                        even[j] = 1
                    spend(&pace, held)
            dense -= dense % FR_TOGETHER
        for j in range(n):
            size = feature_offsets[owners[j] + 1] - feature_offsets[owners[j]]
            held = starts[j + 1] - starts[j]
            even[j] = even[j] and held == length and taken < dense
            if even[j]:
                taken += 1
            elif places[owners[j]] >= 0:
                wide += 1
                totals[0] += held
            elif size:
                totals[size] += held
            spend(&pace, 1)
    of_type = np.float32 if real is float else np.float64
    bounds = np.concatenate([[0], np.cumsum(totals[1:])])
    at = np.concatenate([[0], bounds[:few]])
    row_owners, rows, row_starts = np.empty(wide, np.int32), np.empty(wide, np.int64), np.zeros(wide + 1, np.int64)
    row_steps = np.zeros(totals[0] + FR_AHEAD, np.int32)
    firsts, few_steps = np.empty(bounds[few], np.uint32), np.empty(bounds[few], np.int32)
    row_values, few_values = (np.empty(0 if plain else count, of_type) for count in (totals[0], bounds[few]))
    cdef int32_t[::1] w_owners = row_owners, w_steps = row_steps, f_steps = few_steps
    cdef int64_t[::1] w_rows = rows, w_starts = row_starts
    cdef uint32_t[::1] f_firsts = firsts
    cdef real[::1] w_values = row_values, f_values = few_values
    panel_owners, panel_rows = np.empty(dense, np.int32), np.empty(dense, np.int64)
    panels = np.empty((dense // FR_TOGETHER, length if dense else 0, FR_TOGETHER), of_type)
    cdef int32_t[::1] p_owners = panel_owners
    cdef int64_t[::1] p_rows = panel_rows
    cdef real[:, :, ::1] p_values = panels
    wide = taken = 0
    with nogil:
        for j in range(n):
            size = feature_offsets[owners[j] + 1] - feature_offsets[owners[j]]
            if even[j]:
                p_owners[taken] = owners[j]
                p_rows[taken] = places[owners[j]]
                for i in range(length):
                    p_values[taken // FR_TOGETHER, i, taken % FR_TOGETHER] = values[starts[j] + i]
                taken += 1
            elif places[owners[j]] >= 0:
                w_owners[wide] = owners[j]
                w_rows[wide] = places[owners[j]]
                wide += 1
                for i in range(starts[j], starts[j + 1]):
                    w_steps[at[0]] = steps[i]
                    if not plain:
                        w_values[at[0]] = values[i]
                    at[0] += 1
                w_starts[wide] = at[0]
            elif size:
                for i in range(starts[j], starts[j + 1]):
                    f_firsts[at[size]] = <uint32_t>feature_offsets[owners[j]]
                    f_steps[at[size]] = steps[i]
                    if not plain:
                        f_values[at[size]] = values[i]
                    at[size] += 1
            spend(&pace, starts[j + 1] - starts[j] + 1)
    few_parts = firsts, few_steps, few_values, bounds
    return row_owners, rows, row_starts, row_steps, row_values, *few_parts, panel_owners, panel_rows, panels


def spread_weights(plan, const real[::1] weights):
    """The weights of all features as `scores_by_attribute` wants them; opaque to callers."""
    cdef const int64_t[::1] feature_offsets = plan[0], tabled = plan[3]
    cdef const int32_t[::1] feature_labels = plan[1]
    cdef Py_ssize_t features = feature_labels.shape[0], labels = plan[4], i, k
    cdef Pace pace = new_pace()
    if not tabled.shape[0]:
        return np.asarray(weights)
    result = np.zeros(features + tabled.shape[0] * labels, dtype=np.float32 if real is float else np.float64)
    result[:features] = weights
    cdef real[::1] spread = result
    with nogil:
        for i in range(tabled.shape[0]):
            for k in range(feature_offsets[tabled[i]], feature_offsets[tabled[i] + 1]):
                spread[features + i * labels + feature_labels[k]] = weights[k]
            spend(&pace, 8)
    return result


cdef inline void pack_row(const int64_t[::1] feature_offsets, const int32_t[::1] feature_labels,
                          const real[::1] spread, Py_ssize_t attribute, int64_t place, Py_ssize_t labels,
                          real* row) noexcept nogil:
    # The weights of an attribute as a row of all labels: the row at its place, or made from its features.
    cdef Py_ssize_t y, k
    for y in range(labels):
        row[y] = spread[place + y] if place >= 0 else 0
    if place < 0:
        for k in range(feature_offsets[attribute], feature_offsets[attribute + 1]):
            row[feature_labels[k]] = spread[k]


def scores_by_attribute(plan, layout, const real[::1] spread, Py_ssize_t n):
    """What `state_scores` finds, (n, labels), from what `lay_out` and `spread_weights` made."""
    cdef const int64_t[::1] rows = layout[1], starts = layout[2], bounds = layout[8]
    cdef const int32_t[::1] steps = layout[3], few_steps = layout[6], feature_labels = plan[1]
    cdef const real[::1] values = layout[4], few_values = layout[7]
    cdef const uint32_t[::1] firsts = layout[5]
    cdef Py_ssize_t labels = plan[4], few = plan[5], j, i, count, a
    result = np.zeros((n, labels), dtype=np.float32 if real is float else np.float64)
    cdef real[:, ::1] scores = result
    cdef const real* given = NULL
    cdef bint plain = values.shape[0] == 0, few_plain = few_values.shape[0] == 0
    cdef Pace pace = new_pace()
    cdef const int64_t[::1] panel_rows = layout[10], plan_offsets = plan[0]
    cdef const int32_t[::1] panel_owners = layout[9]
    cdef const real[:, :, ::1] panels = layout[11]
    cdef real[::1] packed = np.empty(FR_TOGETHER * labels if panels.shape[0] else 0, result.dtype)
    with nogil:
        i = 0
        while i < panels.shape[1]:
            count = min(<Py_ssize_t>STAY, panels.shape[1] - i)
            for j in range(panels.shape[0]):
                for a in range(FR_TOGETHER):
                    pack_row(plan_offsets, feature_labels, spread, panel_owners[j * FR_TOGETHER + a],
                             panel_rows[j * FR_TOGETHER + a], labels, &packed[a * labels])
                if real is float:
                    fr_add_panel_float(&scores[i, 0], labels, &panels[j, i, 0], count, &packed[0])
                else:
                    fr_add_panel_double(&scores[i, 0], labels, &panels[j, i, 0], count, &packed[0])
                spend(&pace, FR_TOGETHER * (count + labels))
            i += count
        for j in range(rows.shape[0]):
            i = starts[j]
            while i < starts[j + 1]:
                count = min(<Py_ssize_t>STRETCH, starts[j + 1] - i)
                if not plain:
                    given = &values[i]
                if real is float:
                    fr_add_rows_float(&scores[0, 0], labels, &steps[i], given, count, &spread[rows[j]])
                else:
                    fr_add_rows_double(&scores[0, 0], labels, &steps[i], given, count, &spread[rows[j]])
                i += count
                spend(&pace, 8 * count + 8)
        given = NULL
        for j in range(few):
            i = bounds[j]
            while i < bounds[j + 1]:
                count = min(<Py_ssize_t>STRETCH, bounds[j + 1] - i)
                if not few_plain:
                    given = &few_values[i]
                if real is float:
                    fr_add_few_float(j + 1, &scores[0, 0], labels, &firsts[i], &few_steps[i], given, count,
                                     &feature_labels[0], &spread[0])
                else:
                    fr_add_few_double(j + 1, &scores[0, 0], labels, &firsts[i], &few_steps[i], given, count,
                                      &feature_labels[0], &spread[0])
                i += count
                spend(&pace, 8 * count)
    return result


def gradient_by_attribute(plan, layout, const real[:, ::1] nodes, gradient, Py_ssize_t first, Py_ssize_t last):
    """Add to the gradient, for the features of attributes first to last, value * nodes[p, its label] over its steps p.

    `gradient` is what `new_gradient` made for these attributes. Returns it, for who gave a copy to another process.
    """
    cdef const int64_t[::1] rows = layout[1], starts = layout[2], bounds = layout[8]
    cdef const int32_t[::1] steps = layout[3], few_steps = layout[6], feature_labels = plan[1]
    cdef const real[::1] values = layout[4], few_values = layout[7]
    cdef const uint32_t[::1] firsts = layout[5]
    cdef Py_ssize_t labels = plan[4], few = plan[5], j, i, count
    cdef int64_t features = feature_labels.shape[0], before = plan[0][first]
    cdef double[::1] own = gradient[0], table = gradient[1]
    cdef int64_t table_before = first_row(plan, first)
    cdef double* row
    cdef const real* given = NULL
    cdef bint plain = values.shape[0] == 0, few_plain = few_values.shape[0] == 0
    cdef Pace pace = new_pace()
    if own.shape[0] == 0 or nodes.shape[0] == 0:
        return gradient
    wide_ends = np.searchsorted(layout[0], (first, last))
    cdef Py_ssize_t wide_first = wide_ends[0], wide_last = wide_ends[1]
    # In the type of the features, which aren't copied then; no feature is as large as what it can't hold.
    ends = np.minimum(plan[0][[first, last]], 0xffffffff).astype(np.uint32)
    few_ends = np.array([bounds[j] + np.searchsorted(layout[5][bounds[j]:bounds[j + 1]], ends) for j in range(few)])
    cdef const int64_t[:, ::1] few_end = few_ends.astype(np.int64)
    panel_ends = np.searchsorted(layout[9], (first, last))
    cdef Py_ssize_t panel_first = panel_ends[0], panel_last = panel_ends[1], a, y
    cdef const int64_t[::1] panel_rows = layout[10], feature_offsets = plan[0]
    cdef const int32_t[::1] panel_owners = layout[9]
    cdef const real[:, :, ::1] panels = layout[11]
    # The sums of the panels of these attributes, also of what else is in the first and last one.
    cdef Py_ssize_t panel = panel_first // FR_TOGETHER
    cdef Py_ssize_t beyond = (panel_last + FR_TOGETHER - 1) // FR_TOGETHER if panel_first < panel_last else panel
    cdef Py_ssize_t length = panels.shape[1] if panel < beyond else 0
    cdef double[::1] packed = np.zeros((beyond - panel) * FR_TOGETHER * labels)
    with nogil:
        i = 0
        while i < length:
            count = min(<Py_ssize_t>STAY, length - i)
            for j in range(panel, beyond):
                row = &packed[(j - panel) * FR_TOGETHER * labels]
                if real is float:
                    fr_sum_panel_float(&nodes[i, 0], labels, &panels[j, i, 0], count, row)
                else:
                    fr_sum_panel_double(&nodes[i, 0], labels, &panels[j, i, 0], count, row)
                spend(&pace, FR_TOGETHER * (count + labels))
            i += count
        for a in range(panel_first, panel_last):
            i = (a - panel * FR_TOGETHER) * labels
            if panel_rows[a] >= 0:
                row = &own[panel_rows[a] - before] if panel_rows[a] < features else &table[panel_rows[a] - table_before]
                for y in range(labels):
                    row[y] += packed[i + y]
            else:
                for y in range(feature_offsets[panel_owners[a]], feature_offsets[panel_owners[a] + 1]):
                    own[y - before] += packed[i + feature_labels[y]]
            spend(&pace, labels)
        for j in range(wide_first, wide_last):
            row = &own[rows[j] - before] if rows[j] < features else &table[rows[j] - table_before]
            i = starts[j]
            while i < starts[j + 1]:
                count = min(<Py_ssize_t>STRETCH, starts[j + 1] - i)
                if not plain:
                    given = &values[i]
                if real is float:
                    fr_sum_rows_float(&nodes[0, 0], labels, &steps[i], given, count, row)
                else:
                    fr_sum_rows_double(&nodes[0, 0], labels, &steps[i], given, count, row)
                i += count
                spend(&pace, 8 * count + 8)
        given = NULL
        for j in range(few):
            i = few_end[j, 0]
            while i < few_end[j, 1]:
                count = min(<Py_ssize_t>STRETCH, few_end[j, 1] - i)
                if not few_plain:
                    given = &few_values[i]
                if real is float:
                    fr_sum_few_float(j + 1, &nodes[0, 0], labels, &firsts[i], &few_steps[i], given, count,
                                     &feature_labels[0], &own[0] - before)
                else:
                    fr_sum_few_double(j + 1, &nodes[0, 0], labels, &firsts[i], &few_steps[i], given, count,
                                      &feature_labels[0], &own[0] - before)
                i += count
                spend(&pace, 8 * count)
    return gradient


cdef int64_t first_row(plan, Py_ssize_t first):
    # Where the rows in the table begin of attributes from `first` on.
    return len(plan[1]) + plan[4] * np.searchsorted(plan[3], first)


def new_gradient(plan, Py_ssize_t first, Py_ssize_t last):
    """Zeros for the features of attributes first to last, as `gradient_by_attribute` wants them; opaque to callers."""
    return np.zeros(plan[0][last] - plan[0][first]), np.zeros(first_row(plan, last) - first_row(plan, first))


def gathered(plan, gradient, Py_ssize_t first, Py_ssize_t last):
    """The gradient as one number a feature, of attributes first to last."""
    cdef const int64_t[::1] feature_offsets = plan[0], tabled = plan[3]
    cdef const int32_t[::1] feature_labels = plan[1]
    cdef double[::1] own = gradient[0], table = gradient[1]
    cdef int64_t before = feature_offsets[first]
    cdef Py_ssize_t labels = plan[4], i, k, a = np.searchsorted(plan[3], first), b = np.searchsorted(plan[3], last)
    cdef Pace pace = new_pace()
    with nogil:
        for i in range(a, b):
            for k in range(feature_offsets[tabled[i]], feature_offsets[tabled[i] + 1]):
                own[k - before] = table[(i - a) * labels + feature_labels[k]]
            spend(&pace, 8)
    return gradient[0]


def inner_product(const real[::1] a, const real[::1] b):
    """The sum of a * b, in double, in pieces, so that rounding doesn't grow with the length."""
    cdef Py_ssize_t n = a.shape[0], i = 0, count
    cdef double total = 0
    cdef Pace pace = new_pace()
    with nogil:
        while i < n:
            count = min(<Py_ssize_t>PIECE, n - i)
            if real is float:
                total += fs_dot_float(&a[i], &b[i], count)
            else:
                total += fs_dot_double(&a[i], &b[i], count)
            i += count
            spend(&pace, PIECE)
    return total


def add_scaled(double[::1] out, double share, const real[::1] x, const real[::1] y):
    """Add share * x to `out`, and return the inner product of what it is then with y."""
    cdef Py_ssize_t n = out.shape[0], i = 0, count
    cdef double total = 0
    cdef Pace pace = new_pace()
    with nogil:
        while i < n:
            count = min(<Py_ssize_t>PIECE, n - i)
            if real is float:
                total += fs_add_float(&out[i], share, &x[i], &y[i], count)
            else:
                total += fs_add_double(&out[i], share, &x[i], &y[i], count)
            i += count
            spend(&pace, PIECE)
    return total


def steepest_slope(const double[::1] weights, const double[::1] gradient, double c1):
    """The gradient of a smooth loss plus c1 * sum of |weights| that descends most, and that sum.

    At 0 the norm has slopes -c1 to c1: what they can't balance remains.
    """
    cdef Py_ssize_t n = weights.shape[0], i = 0, end
    cdef double total = 0, part
    cdef Pace pace = new_pace()
    result = np.empty(n)
    cdef double[::1] out = result
    with nogil:
        while i < n:
            end = min(i + PIECE, n)
            part = 0
            for i in range(i, end):
                part += abs(weights[i])
                if weights[i] > 0:
                    out[i] = gradient[i] + c1
                elif weights[i] < 0:
                    out[i] = gradient[i] - c1
                elif gradient[i] > c1:
                    out[i] = gradient[i] - c1
                elif gradient[i] < -c1:
                    out[i] = gradient[i] + c1
                else:
                    out[i] = 0 * gradient[i]  # NaN stays
            total += part
            i = end
            spend(&pace, PIECE)
    return result, total


def step_in_orthant(const double[::1] weights, const double[::1] direction, double size, const double[::1] steepest):
    """weights + size * direction, each 0 where that leaves the side of 0 on which it is, or will be going downhill."""
    cdef Py_ssize_t n = weights.shape[0], i = 0, end
    cdef double x, side
    cdef Pace pace = new_pace()
    result = np.empty(n)
    cdef double[::1] out = result
    with nogil:
        while i < n:
            end = min(i + PIECE, n)
            for i in range(i, end):
                x = weights[i] + size * direction[i]
                side = weights[i] if weights[i] != 0 else -steepest[i]
                out[i] = x if (x > 0 and side > 0) or (x < 0 and side < 0) else 0.0
            i = end
            spend(&pace, PIECE)
    return result
