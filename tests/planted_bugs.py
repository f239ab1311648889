"""Plant a bug at a time in kernels, twins and wrappers, and watch the tests go red.

``python tests/planted_bugs.py [domain ...]`` works in a copy of the sources under ``build/``. First the tests must be
green there without any bug. A bug that no test sees is a failure of the tests. ``PLANTED`` is the list: (domain, file,
what stands there, what is put in its place[, the tests that must see it]); the old text must stand in the file exactly
once, and without tests of its own a bug is looked for by all of its domain.

``planted_seen.json`` keeps which test saw each bug: that one is tried first, since most bugs cost little then. With
``--record`` it is written anew for the bugs that it doesn't know.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

PLANTED = [
    ("recurrence", "pyx/recurrence/chains.h", "            last = now;", "            last = y0 + o * m;"),
    ("recurrence", "pyx/recurrence/scans.h", "const Complex_f32 made = {a.re * y.re - a.im", "const Complex_f32 made = {a.re * y.re + a.im", "tests/test_recurrence_scans.py -k Complex"),
    ("recurrence", "pyx/recurrence/matrices.h", "(j * parts * d + i) * parts;", "(i * parts * d + j) * parts;", "tests/test_recurrence_scans.py -k Affine"),
    ("recurrence", "pyx/recurrence/matrices.h", "to[2 * d] = -from[1];", "to[2 * d] = from[1];", "tests/test_recurrence_scans.py -k Affine"),
    ("recurrence", "pyx/recurrence/matrices.h", "NAME(step)(-row[j + 1], last[j + 1],", "NAME(step)(row[j + 1], last[j + 1],", "tests/test_recurrence_scans.py -k Affine"),
    ("recurrence", "pyx/recurrence/matrices.h", "b + of_b[o] * sb[0]", "b + (o ? of_b[o - 1] : 0) * sb[0]", "tests/test_recurrence_scans.py -k Affine"),
    ("recurrence", "pyx/recurrence/matrices.h", "sums[v] = V(load)(b + v * W);", "sums[v] = V(load)(b);", "tests/test_recurrence_scans.py -k Affine"),
    ("recurrence", "pyx/recurrence/matrices.h", "NAME(part)(columns + i, b + i, last, y + i, d, 2);", "NAME(part)(columns, b + i, last, y + i, d, 2);", "tests/test_recurrence_scans.py -k Affine"),
    ("recurrence", "pyx/recurrence/matrices.h", "if (constant && (o == 0 || of_A[o] != of_A[o - 1]))", "if (constant && o == 0)", "tests/test_recurrence_scans.py -k Affine"),
    ("recurrence", "fastcore/reference/recurrence/scans.py", "            last = y[o, t]\n", "            last = y0[o]\n", "tests/test_recurrence_scans.py -k Affine"),
    ("recurrence", "fastcore/recurrence/_matrices.py", "turned if constant else turned[..., 1:, :, :]", "turned if constant else turned[..., :-1, :, :]", "tests/test_recurrence_scans.py -k Affine"),
    ("recurrence", "fastcore/reference/recurrence/scans.py", "im = im + a.imag * state.real + a.real", "im = im + a.imag * state.real - a.real", "tests/test_recurrence_scans.py -k Affine"),
    ("recurrence", "fastcore/recurrence/_matrices.py", "end = made[..., 0 if backwards else -1, :]", "end = made[..., -1, :]", "tests/test_recurrence_scans.py -k Affine"),
    ("recurrence", "pyx/recurrence/logsteps.h", "const INT known = (INT)(apart == apart);", "const INT known = (INT)(made == made);", "tests/test_recurrence_scans.py -k Logarithms"),
    ("recurrence", "pyx/recurrence/logsteps.h", "for (first = 0; first < width; first += SIDE * W) {", "for (first = 0; first + 1 < width; first += SIDE * W) {", "tests/test_recurrence_scans.py -k Logarithms"),
    ("recurrence", "pyx/recurrence/logsteps.h", "ky = rows ? n : 1,", "ky = rows ? m : 1,", "tests/test_recurrence_scans.py -k Logarithms"),
    ("recurrence", "fastcore/reference/recurrence/logs.py", "    last = y0\n", "    last = 0 * y0[:]\n", "tests/test_recurrence_scans.py -k Logarithms"),
    ("recurrence", "fastcore/recurrence/_logs.py", "ends = slice(1, None) if reverse", "ends = slice(None, -1) if reverse", "tests/test_recurrence_scans.py -k Logarithms"),
    ("recurrence", "fastcore/recurrence/_logs.py", "np.where(y == -np.inf, 0,", "np.where(y == np.inf, 0,", "tests/test_recurrence_scans.py -k Logarithms"),
    ("recurrence", "fastcore/recurrence/_logs.py", "found: Array = ~(value < np.inf)", "found: Array = np.isnan(value)", "tests/test_recurrence_scans.py -k Logarithms"),
    ("recurrence", "pyx/recurrence/selectsteps.h", "packed[n * W + k] = k < lanes ?", "packed[n * W + k] = k + 1 < lanes ?", "tests/test_recurrence_scans.py -k Selective"),
    ("recurrence", "pyx/recurrence/selectsteps.h", "if (t % PART == 0)", "if (t == 0)", "tests/test_recurrence_scans.py -k Selective"),
    ("recurrence", "pyx/recurrence/selectsteps.h", "NAME(turned_back)(sums, N, lanes, dA + first * N, 1);", "NAME(turned_back)(sums, N, lanes, dA + first * N, 0);", "tests/test_recurrence_scans.py -k Selective"),
    ("recurrence", "pyx/recurrence/selectsteps.h", "dB[row * N + n] += NAME(total)", "dB[row * N + n] = NAME(total)", "tests/test_recurrence_scans.py -k Selective"),
    ("recurrence", "fastcore/reference/recurrence/selective.py", "by_product = grad * states[i]\n", "by_product = grad * states[i + 1]\n", "tests/test_recurrence_scans.py -k Selective"),
    ("recurrence", "fastcore/recurrence/_selective.py", "        dx += by_y * given.D\n", "", "tests/test_recurrence_scans.py -k Selective"),
    ("recurrence", "fastcore/recurrence/_numbers.py", "return found if np.iscomplexobj(like) else", "return found if np.iscomplexobj(grad) else", "tests/test_recurrence_scans.py -k Complex"),
    ("recurrence", "fastcore/recurrence/_numbers.py", "if any(v.dtype.kind == \"c\" for v in arrays) else", "if np.iscomplexobj(arrays[0]) else", "tests/test_recurrence_scans.py -k Complex"),
    ("recurrence", "pyx/recurrence/chains.h", "if (memcmp(&state, y + t * dy, sizeof state) == 0)", "if (t == 64)"),
    ("recurrence", "pyx/recurrence/chains.h", "y[(from - 1) * dy]);", "last);"),
    ("recurrence", "pyx/recurrence/chains.h", "for (; row < rows; row++)", "for (; row + 1 < rows; row++)"),
    ("recurrence", "fastcore/reference/recurrence/scans.py", "last = y0[o, j]", "last = y0[o, 0]"),
    ("recurrence", "fastcore/recurrence/_scans.py", "(0 if backwards else -1,)", "(-1,)"),
    ("recurrence", "fastcore/recurrence/_scans.py", "after[:-1] = factors[1:]", "after[:-1] = factors[:-1]"),
    ("recurrence", "fastcore/recurrence/_rows.py", "last[which] = made[:, 0 if reverse else -1]", "last[which] = made[:, -1]", "tests/test_recurrence_units.py"),
    ("recurrence", "fastcore/recurrence/_rows.py", "(counts == counts[0]).all()", "counts[-1] == counts[0]", "tests/test_recurrence_units.py"),
    ("recurrence", "fastcore/recurrence/_rows.py", "            by_a += parts[0]", "            by_a = parts[0]", "tests/test_recurrence_units.py"),
    ("recurrence", "fastcore/recurrence/_lru.py", "np.stack([weights.real, -weights.imag]", "np.stack([weights.real, weights.imag]", "tests/test_recurrence_units.py"),
    ("recurrence", "fastcore/recurrence/_lru.py", "        -by_exponent.imag * unit.phase", "        by_exponent.imag * unit.phase", "tests/test_recurrence_units.py"),
    ("recurrence", "fastcore/recurrence/_sru.py", "(by_forget - by_forcing * unit.new)", "by_forget", "tests/test_recurrence_units.py"),
    ("recurrence", "fastcore/recurrence/_sru.py", "by_y * (1 - unit.reset) * unit.scale", "by_y * (1 - unit.reset)", "tests/test_recurrence_units.py"),
    ("recurrence", "fastcore/recurrence/_sequences.py", "data[self.places] = rows", "data[:] = rows", "tests/test_recurrence_cells.py"),
    ("recurrence", "fastcore/recurrence/_safetensors.py", "if begin != end:", "if begin < end:", "tests/test_recurrence_files.py -k lie"),
    ("recurrence", "fastcore/recurrence/_safetensors.py", "<< 16).view", "<< 15).view", "tests/test_recurrence_files.py -k numbers"),
    ("recurrence", "fastcore/recurrence/_onnx.py", '"GRU": [1, 0, 2]', '"GRU": [0, 1, 2]', "tests/test_recurrence_files.py -k onnxruntime"),
    ("recurrence", "fastcore/recurrence/_stack.py", "starts[len(ends)], backwards, workers", "starts[len(ends)], False, workers", "tests/test_recurrence_files.py -k onnxruntime"),
    ("recurrence", "pyx/recurrence/forward.h", "group->reverse ? group->length[r] - 1 - t : t", "group->reverse ? group->longest - 1 - t : t", "tests/test_recurrence_cells.py"),
    ("recurrence", "pyx/recurrence/forward.h", "while (rows && group->length[rows - 1] <= t)", "while (rows && group->length[rows - 1] < t)", "tests/test_recurrence_cells.py"),
    ("recurrence", "pyx/recurrence/backward.h", "sums->bias_n[j] += row[c->columns + j];", "sums->bias_n[j] += row[2 * P + j];", "tests/test_recurrence_cells.py"),
    ("recurrence", "pyx/recurrence/backward.h", "V(store)(dc + j, kept * forget);", "V(store)(dc + j, kept);", "tests/test_recurrence_cells.py"),
    ("recurrence", "fastcore/reference/recurrence/cells.py", "straight = straight + through * r", "straight = straight + through", "tests/test_recurrence_cells.py"),
    ("chain", "pyx/chain/paths.pxi", "step += batch.model.trans[paths[t - 1] * P + paths[t]]", "step += batch.model.trans[paths[t] * P + paths[t - 1]]"),
    ("chain", "pyx/chain/batch.pxi", "return self.offsets[s] - self.before[s] + t - 1", "return self.offsets[s] - s + t - 1"),
    ("chain", "pyx/chain/batch.pxi", "            fc_trust(&self.model, &reach)\n        return 0\n\n    cdef int count", "        return 0\n\n    cdef int count"),
    ("chain", "pyx/chain/expectations.pxi", "            fc_settle(self.parts, L * L)", "            memset(self.parts, 0, L * L * sizeof(double))"),
    ("chain", "pyx/chain/paths.pxi", "into = batch.into(s, t, label, &stride)", "into = batch.into(s, t + 1, label, &stride)"),
    ("chain", "fastcore/chain/_batch.py", "np.logical_or.accumulate(present, axis=1)[:, :-1]", "present[:, :-1]"),
    ("chain", "fastcore/reference/chain.py", "            first += count\n", "            first += count + 1\n"),
    ("chain", "pyx/chain/stream.pxi", "                if self.ancestor[i] != label:\n", "                if False:\n"),
    ("chain", "pyx/chain/stream.pxi", "            self.oldest = at + 1", "            self.oldest = row + 1"),
    ("chain", "fastcore/reference/chain.py", "window[-1] = [v if ancestors.get(j) == found[0] else -inf for", "window[-1] = [v for"),
    ("chain", "pyx/chain/lanes.h", "if (t == group->length[k] - 1) {\n                    double sum", "if (t == group->length[k] - 2) {\n                    double sum"),
    ("chain", "pyx/chain/lanes.h", "whole = t1 < group->shortest - 1 ? t1 : group->shortest - 1;", "whole = t1 < group->shortest ? t1 : group->shortest;"),
    ("chain", "pyx/chain/single.h", "group->twos[k] += (double)twos[k] - 127.0;", "group->twos[k] += (double)twos[k] - 126.0;"),
    ("chain", "pyx/chain/single.h", "#define FS_ROOM 52.0", "#define FS_ROOM 5200.0"),
    ("chain", "pyx/chain/lanes.h", "dead[k] = last < 0 ? -1 : 0;", "dead[k] = 0;"),
    ("chain", "pyx/chain/wide.h", "model->wide + 2 * L * P, sum", "model->wide, sum"),
    ("chain", "pyx/chain/scaled.h", "scale->shift = 0.0;", "scale->shift = 1e-9;"),
    ("chain", "fastcore/reference/chain.py", "steps = [last[i] + move[i][j]", "steps = [last[i] + move[j][i]"),
    ("crf", "pyx/crf/features.pyx", "row[feature_labels[k]] += value * weights[k]", "row[feature_labels[first]] += value * weights[k]"),
    ("crf", "fastcore/reference/crf/features.py", "for i in range(bounds[p], bounds[p + 1]):\n            for k", "for i in range(bounds[p] + 1, bounds[p + 1]):\n            for k"),
    ("crf", "pyx/crf/rows.h", "x[j] + value * w[j]; ", "x[j] + w[j]; "),
    ("crf", "pyx/crf/rows.h", "a[j] += value * x; ", "a[j] += x; "),
    ("crf", "pyx/crf/rows.h", "(double)values[i] * row[names[f + k]]", "(double)values[i] * row[names[f]]"),
    ("crf", "pyx/crf/features.pyx", "table[(i - a) * labels + feature_labels[k]]", "table[i * labels + feature_labels[k]]"),
    ("crf", "pyx/crf/rows.h", "x[j] += value * w[k][j]; ", "x[j] += value * w[0][j]; "),
    ("crf", "pyx/crf/rows.h", "(zero + (double)values[k]) * x; ", "(zero + (double)values[0]) * x; "),
    ("crf", "pyx/crf/features.pyx", "while i < held and steps[starts[j] + i] == i:", "while i < held:"),
    ("crf", "pyx/crf/features.pyx", "own[y - before] += packed[i + feature_labels[y]]", "own[y - before] += packed[i]"),
    ("crf", "pyx/crf/features.pyx", "row += labels\n", "row += labels - 1\n"),
    ("crf", "fastcore/reference/crf/features.py", "if first <= owner < last:", "if first <= owner <= last:"),
    ("crf", "fastcore/reference/crf/features.py", "sums[owner - first, y[step]] += value", "sums[owner - first, y[step]] += 1"),
    ("hmm", "pyx/hmm/rows.h", "for (r = c; r < D; r++) {\n            const double *restrict f", "for (r = c + 1; r < D; r++) {\n            const double *restrict f"),
    ("hmm", "pyx/hmm/rows.h", "if (value > 0.0)", "if (value > 1.0)"),
    ("hmm", "pyx/hmm/rows.h", "second[(c * D + r) * L + j] += shares[j] * off[r * L + j];", "second[(c * D + r) * L + j] += shares[j] * off[c * L + j];"),
    ("hmm", "pyx/hmm/hmm.pyx", "fh_add(&weights[t, 0], 1.0, L, &sums[symbols[t], 0])", "fh_add(&weights[0, 0], 1.0, L, &sums[symbols[t], 0])"),
    ("hmm", "fastcore/reference/hmm.py", "for n, rate in zip(row, rates) if n)", "for n, rate in zip(row, rates))"),
    ("hmm", "pyx/hmm/hmm.pyx", "for i in range(all):\n                    part[i] = 0.0", "for i in range(L):\n                    part[i] = 0.0"),
    ("hmm", "pyx/hmm/hmm.pyx", "out[t, j] *= factors[t]", "out[t, j] *= factors[0]", "tests/test_hmmlearn_face.py"),
    ("hmm", "pyx/hmm/hmm.pyx", "after[j] = shown[t + 1, j] * backward[t + 1, j]", "after[j] = shown[t, j] * backward[t + 1, j]", "tests/test_hmmlearn_face.py"),
    ("hmm", "fastcore/reference/hmm.py", "log_prob -= log(factors[t])", "log_prob += log(factors[t])", "tests/test_hmmlearn_face.py"),
    ("hmm", "fastcore/compat/hmmlearn/_hmmc.py", "logs -= np.where(most == -np.inf, 0.0, most)", "logs -= most", "tests/test_hmmlearn_face.py"),
    ("hmm", "fastcore/reference/hmm.py", "off = row - center", "off = center - row"),
    ("hmm", "fastcore/hmm/_gaussian.py", "- 2 * steps * first", "- steps * first"),
    ("hmm", "fastcore/hmm/_gaussian.py", "second - cross - cross.transpose(0, 2, 1)", "second - 2 * cross"),
    ("hmm", "fastcore/hmm/_steps.py", "nodes[offsets[:-1]].sum(axis=0)", "nodes[offsets[1:] - 1].sum(axis=0)"),
    ("hmm", "fastcore/hmm/_steps.py", "yield tuple(row[a:b] for row in self.rows), self.offsets[first : last + 1] - a", "yield tuple(row[a:b] for row in self.rows), self.offsets[first : last + 1] - self.offsets[0]"),
    ("hmm", "fastcore/hmm/_base.py", "np.where(model[\"transmat_\"] == 0, 0, moves)", "moves + 1e-9"),
    ("crf", "pyx/crf/items.pyx", "self.values[kept] = self.values[i]", "self.values[kept] = self.values[kept]"),
    ("crf", "pyx/crf/items.pyx", "while self.n_values < self.n:", "while self.n_values < self.n - 1:"),
    ("crf", "pyx/crf/items.pyx", "self.prefix + before, self.text + start + before, size - before", "self.prefix, self.text + start, size - before"),
    ("crf", "fastcore/reference/crf/items.py", 'yield f"{outer}:{inner}", weight', 'yield f"{outer}:{inner}", 1.0'),
    ("crf", "pyx/crf/online.pyx", "touch(room, k, -value)", "touch(room, k, value)", "tests/test_crf_online.py"),
    ("crf", "pyx/crf/online.pyx", "room.moves[p.cells[k - p.states]] = weights[k]", "pass", "tests/test_crf_online.py"),
    ("crf", "pyx/crf/online.pyx", "far * count * room.more[k]", "far * room.more[k]", "tests/test_crf_online.py"),
    ("crf", "pyx/crf/online.pyx", "                return NAN\n            for i in range(L):\n                room.line[i] /= top", "                pass\n            for i in range(L):\n                room.line[i] /= top", "tests/test_crf_online.py"),
    ("crf", "pyx/crf/online.pyx", "wrong += y != p.y[begin + t]", "wrong = y != p.y[begin + t]", "tests/test_crf_online.py"),
    ("crf", "pyx/crf/steps.h", "        if (reached > most) {", "        if (reached >= most) {", "tests/test_crf_online.py"),
    ("crf", "fastcore/reference/crf/online.py", "value * value / gamma", "value / gamma", "tests/test_crf_online.py"),
    ("crf", "fastcore/crf/_online.py", "weights - sums / count", "weights - sums / (count - 1)", "tests/test_crf_online.py"),
    ("crf", "fastcore/crf/_online.py", "rising, left, rate = False, candidates, first", "rising, left = False, candidates", "tests/test_crf_online.py"),
    ("crf", "pyx/crf/columns.pyx", "one.first, second = <uint64_t>k << 32, 0", "one.first, second = 0, 0"),
    ("crf", "pyx/crf/columns.pyx", "second |= <uint64_t>self.value(t, &line.macros[2]) << 32", "pass"),
    ("crf", "pyx/crf/columns.pyx", "else self.met.after[at - self.n_rows]", "else self.met.before[at - self.n_rows]"),
    ("crf", "pyx/crf/columns.pyx", "            self.used += length\n", "            pass\n"),
    ("crf", "fastcore/reference/crf/columns.py", "at - len(table) + 1", "at - len(table)"),
    ("crf", "fastcore/crf/_features.py", "sequences.met += len(offsets) - 1", "pass"),
    ("crf", "fastcore/crf/_features.py", "if held is None or held[0] != template:", "if held is None:"),
    ("crf", "pyx/crf/windows.pyx", "slots[8] = block.pairs[k + 1] + 3", "slots[8] = block.pairs[k] + 3"),
    ("crf", "pyx/crf/windows.pyx", "first = max(at - 2, <Py_ssize_t>0)", "first = at"),
    ("crf", "pyx/crf/windows.pyx", "if other > m_e:", "if other >= m_e:"),
    ("crf", "pyx/crf/windows.pyx", "return self.pair(<uint64_t>1 << 2 * BITS | <uint64_t>rest)", "return self.pair(<uint64_t>rest)"),
    ("crf", "pyx/crf/windows.pyx", "at += self.jobs[i].text.length\n", "at += 1\n"),
    ("crf", "pyx/crf/windows.pyx", "if template == KIND + 1 and rest < 512:", "if template == KIND + 1:"),
    ("crf", "fastcore/reference/crf/windows.py", "FIRST, LAST = (B, S), (E, S)", "FIRST, LAST = (B, S), (S, E)"),
    ("crf", "fastcore/reference/crf/windows.py", "left << 6 | here << 3 | right", "left << 6 | here << 3 | left"),
    ("crf", "fastcore/crf/_segmenter.py", "labels[ends - 1] = np.where(lengths == 1, S, E)", "labels[ends - 1] = E"),
    ("crf", "fastcore/crf/_segmenter.py", "if ready is None or ready.trained is not trained:", "if ready is None:"),
    ("crf", "fastcore/crf/_model.py", "        if not self.sound(scores, values):\n            raise self._too_large()\n        return scores", "        return scores"),
    ("crf", "fastcore/crf/_model.py", "(self._small and not values.size) or", "self._small or", "tests/test_crf.py"),
    ("crf", "fastcore/crf/_model.py", "forced = decoder.n_forced", "forced = 0", "tests/test_crf_limits.py"),
    ("crf", "fastcore/crf/_features.py", "islice(items, size)", "islice(items, 1, size)", "tests/test_crf_limits.py"),
    ("crf", "fastcore/crf/_features.py", "self._text[first:last].decode", "self._text[first : last - 1].decode", "tests/test_crf.py"),
    ("crf", "fastcore/crf/_features.py", "range(0, len(order), AT_ONCE)", "range(0, len(order), AT_ONCE + 1)", "tests/test_crf.py"),
    ("crf", "fastcore/crf/_search.py", "if period and len(history)", "if len(history)", "tests/test_crf.py"),
    ("crf", "fastcore/crf/_search.py", "if settled:", "if False:", "tests/test_crf.py"),
    ("crf", "fastcore/crf/_search.py", "kept |= point.weights != 0", "kept |= point.weights == 0", "tests/test_crf.py"),
    ("crf", "fastcore/crf/_online.py", "trials.append((rate, loss))", "trials.append((rate, bar))", "tests/test_crfsuite_faces.py"),
    ("crf", "fastcore/compat/sklearn_crfsuite/estimator.py", "modelfile = self.modelfile.another()", "modelfile = self.modelfile\n        modelfile.refresh()", "tests/test_crfsuite_faces.py"),
    ("crf", "fastcore/crf/_online.py", "if period and number", "if number", "tests/test_crf.py"),
    ("crf", "pyx/crf/items.pyx", " or is_named(item):", ":", "tests/test_labelled.py"),
    ("crf", "pyx/crf/items.pyx", ' or getattr(value, "ndim", 0):', ":", "tests/test_crf.py"),
    ("crf", "fastcore/reference/crf/items.py", " or _is_named(item):", ":", "tests/test_labelled.py"),
    ("crf", "fastcore/reference/crf/items.py", ' or getattr(value, "ndim", False):', ":", "tests/test_crf.py"),
    ("chain", "fastcore/chain/_batch.py", "    _check_names(emissions, transitions, start, end)\n    moves", "    moves", "tests/test_labelled.py"),
    ("chain", "fastcore/chain/_stream.py", "same_axes({}, {\"end\": end}, {\"transitions\": self._names})", "pass", "tests/test_labelled.py"),
    ("reactions", "pyx/reactions/reactions.pyx", "    for j in range(n):\n        total += rates[j * stride]", "    for j in range(1, n):\n        total += rates[j * stride]"),
    ("reactions", "pyx/reactions/flight.h", "good &= ~fm_less(fc_load(flight->limit + at), following);", "", "tests/test_flight.py -k numbers"),
    ("reactions", "pyx/reactions/flight.h", "good &= fm_less(fc_load(flight->floor + at), total) &", "good &=", "tests/test_flight.py -k afresh"),
    ("reactions", "pyx/reactions/flight.h", "fc_max(total[v] * (1.0 / 1024), fc_load(flight->floor + at))", "fc_load(flight->floor + at)", "tests/test_flight.py -k afresh"),
    ("reactions", "pyx/reactions/flight.h", "f < law->more_start + law->more; f++", "f < law->more_start + law->more - 1; f++", "tests/test_flight.py -k test_networks"),
    ("reactions", "pyx/reactions/flight.pxi", "by[j * n_species + change.species] += change.by", "by[j * n_species + change.species] = 1.0", "tests/test_flight.py -k test_networks"),
    ("reactions", "pyx/reactions/flight.pxi", "lane.sink.states += number *", "lane.sink.states += number // 2 *", "tests/test_flight.py -k numbers"),
    ("reactions", "pyx/reactions/flight.pxi", "        waiting = unlucky(&rng, bits)\n        keep_rng(flight, k, rng)", "        waiting = unlucky(&rng, bits)", "tests/test_flight.py -k afresh"),
    ("reactions", "pyx/reactions/flight.pxi", "            if status != FINISHED:\n                land(fleet, k, status)", "            if False:\n                land(fleet, k, status)", "tests/test_flight.py -k overflow"),
    ("reactions", "fastcore/reactions/_runs.py", "total // (SIDE_BY_SIDE * threads)", "total // threads", "tests/test_flight.py -k TestParts"),
    ("reactions", "fastcore/reference/reactions.py", "                if waiting < best:", "                if waiting > best:"),
    ("reactions", "pyx/reactions/rssacr.pxi", "<= x[species] <= bounds.high[species]:", "<= x[species]:", "tests/test_rssacr.py -k large_counts"),
    ("reactions", "pyx/reactions/rssacr.pxi", "share - <double>i * group.cap < rate", "share < rate", "tests/test_rssacr.py -k first_event"),
    ("reactions", "pyx/reactions/rssacr.pxi", "bounds.place[last] = bounds.place[j]", "bounds.place[last] = group.count", "tests/test_rssacr.py -k many_reactions"),
    ("reactions", "pyx/reactions/rssacr.pxi", "bounds.exact[network.more_species[f]] |=", "bounds.exact[network.more_species[f]] &=", "tests/test_rssacr.py -k orders"),
    ("reactions", "fastcore/reference/reactions.py", "return share - member * cap < self.rate(self.chosen)", "return True", "tests/test_rssacr.py -k first_event"),
    ("reactions", "pyx/reactions/rssacr.pxi", "    bound_all(network, run, run.bounds)\n    spend", "    spend", "tests/test_events.py -k rates_follow"),
    ("reactions", "pyx/reactions/rssacr.pxi", "if following > run.until:", "if following > run.end:", "tests/test_events.py -k at_a_time"),
    ("reactions", "fastcore/reference/reactions.py", '"""All bounds, after events that set amounts."""\n        self.start(self.rng)', '"""All bounds, after events that set amounts."""', "tests/test_events.py -k rates_follow"),
    ("reactions", "pyx/reactions/next_reaction.pxi", "clock.left - clock.bound * (t - clock.since)", "clock.left", "tests/test_next_reaction.py -k without_the_time"),
    ("reactions", "pyx/reactions/next_reaction.pxi", "* clock.bound < rate", "* clock.bound <= clock.bound", "tests/test_next_reaction.py -k poisson"),
    ("reactions", "pyx/reactions/next_reaction.pxi", "        if not sooner(clocks, child, j):\n            break", "        break", "tests/test_next_reaction.py -k many_reactions"),
    ("reactions", "pyx/reactions/_intervals.pxd", "a.low - b.high, a.high - b.low", "a.low - b.low, a.high - b.high", "tests/test_next_reaction.py -k rates_of_the_time"),
    ("reactions", "pyx/reactions/_intervals.pxd", "spanned(a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high)", "spanned(a.low * b.low, a.low * b.low, a.high * b.high, a.high * b.high)", "tests/test_next_reaction.py -k corners"),
    ("reactions", "pyx/reactions/_intervals.pxd", "spanned(a.low / b.low, a.low / b.high, a.high / b.low, a.high / b.high)", "spanned(a.low / b.high, a.low / b.high, a.high / b.low, a.high / b.low)", "tests/test_next_reaction.py -k corners"),
    ("reactions", "fastcore/reference/_intervals.py", "_spanned(*(x * y for x in a for y in b))", "_spanned(a[0] * b[0], a[1] * b[1])", "tests/test_next_reaction.py -k corners"),
    ("reactions", "fastcore/reference/_intervals.py", "_passes(a, top, 2 * math.pi)", "_passes(a, top, 20 * math.pi)", "tests/test_next_reaction.py -k hold_all"),
    ("reactions", "fastcore/reference/_next_reaction.py", "clock.until = until if until < end else math.inf", "clock.until = math.inf", "tests/test_next_reaction.py -k rates_of_the_time"),
    ("reactions", "pyx/reactions/leaping.pxi", "leaps.before[i] + 0.5 * tau", "leaps.before[i] + 0.25 * tau", "tests/test_leaping.py -k twins"),
    ("reactions", "pyx/reactions/leaping.pxi", "-CRITICAL * network.changes[i].by", "CRITICAL * network.changes[i].by", "tests/test_leaping.py -k twins"),
    ("reactions", "pyx/reactions/leaping.pxi", "min(recorded, run.until), &rng", "min(recorded, run.end), &rng", "tests/test_leaping.py -k stops_of_all"),
    ("reactions", "fastcore/reference/_leaping.py", "elif total == 0 and self.moment > end:", "elif total == 0:", "tests/test_leaping.py -k stops_of_all"),
    ("ngrams", "fastcore/ngrams/_files.py", "            for writer in begun:\n                writer.close()\n", "", "tests/test_whole.py -k room"),
    ("discovery", "fastcore/_scratch.py", "with naming(tempfile.gettempdir()):", "if True:", "tests/test_whole.py -k room"),
    ("ode", "pyx/ode/system.pxi", "slope += by_b * sens[b]", "slope += by_a * sens[b]", "tests/test_ode.py -k differences"),
    ("ode", "pyx/ode/system.pxi", "s.amounts[s.n_species] = 1.0", "s.amounts[s.n_species] = 2.0", "tests/test_ode.py -k twin"),
    ("ode", "fastcore/ode/_measured.py", "+ columns)[present]", "+ columns[::-1])[present]", "tests/test_ode.py -k Fit"),
    ("ode", "fastcore/ode/_fit.py", "- experiment.wanted) * factors)", "- experiment.wanted))", "tests/test_ode_experiments.py"),
    ("reactions", "pyx/reactions/leaping.pxi", "        if tau == 0:\n            return UNRESOLVED\n", "", "tests/test_leaping.py -k too_much"),
    ("reactions", "pyx/reactions/batching.pxi", "batches.clean -= batches.voids[k] < ticks", "batches.clean -= 0", "tests/test_batches.py -k twins"),
    ("reactions", "pyx/reactions/batching.pxi", "2 if a == b and a < last and law.minus == 0 else 1", "1", "tests/test_batches.py -k twins"),
    ("reactions", "pyx/reactions/draws.pxi", "return n - binomial(rng, n, 1.0 - p)", "return binomial(rng, n, 1.0 - p)", "tests/test_batches.py -k Draws"),
    ("reactions", "fastcore/reference/_batching.py", "if share < 2.0 * left:", "if True:", "tests/test_batches.py -k twins"),
    ("reactions", "fastcore/reference/_batching.py", "collides = ticks - sum(void < ticks for void in self.voids), False", "collides = ticks, False", "tests/test_batches.py -k twins"),
    ("reactions", "fastcore/reference/_draws.py", "(-1.0, good - mode), (-1.0, draws - mode)", "(-1.0, good - mode), (-1.0, draws)", "tests/test_batches.py -k Draws"),
    ("reactions", "fastcore/reactions/_simulate.py", "(np.diff(tables.factor_at) > 2)", "(np.diff(tables.factor_at) > 3)", "tests/test_batches.py -k refused"),
    ("ode", "fastcore/ode/_steady.py", "    if not alone:", "    if False:", "tests/test_ode_systems.py -k one_of_many"),
    ("ode", "fastcore/ode/_steady.py", "max(0.01 * share, 1e-13)", "1e-5", "tests/test_ode_systems.py -k one_of_many"),
    ("reactions", "fastcore/reactions/_net.py", '(place[0] == "@" and place[-1] == ":")', "False", "tests/test_networks.py -k fixed_within"),
    ("reactions", "fastcore/reactions/_net.py", 'whole, graph("add", constant, amount))', 'whole, graph("subtract", constant, amount))', "tests/test_networks.py -k laws"),
    ("reactions", "fastcore/reactions/_net.py", "used in self.varying or used not in self.parts.places", "used not in self.parts.places", "tests/test_networks.py -k rates"),
    ("reactions", "pyx/reactions/leaps.h", "good[v] &= ~(fm_less(zero, rate[v]) & few);", "", "tests/test_leaps.py -k test_networks"),
    ("reactions", "pyx/reactions/leaps.h", "wanted[v] = good[v] & fm_less(zero, fc_load(flight->rates + j * LANES + v * FC_W));", "wanted[v] = good[v];", "tests/test_leaps.py -k differ"),
    ("reactions", "fastcore/reactions/_simulate.py", "states[part[0] : sum(part)]", "states[: part[1]]", "tests/test_flight.py -k workers"),
    ("reactions", "fastcore/_workers.py", "    parts.reverse()\n    while parts:", "    while parts:", "tests/test_flight.py -k let_go"),
    ("reactions", "pyx/reactions/leaps.h", "if (pair->times == 1) {", "if (pair->times >= 1) {", "tests/test_leaps.py -k test_networks"),
    ("reactions", "pyx/reactions/leaps.h", "good[v] &= fm_not_above(zero, x) &", "good[v] &=", "tests/test_leaps.py -k test_epsilons"),
    ("reactions", "pyx/reactions/leaps.h", "~fm_less(fc_load(flight->limit + v * FC_W), now[v]);", "fm_less(zero, now[v]);", "tests/test_leaps.py -k single_events"),
    ("reactions", "pyx/reactions/poisson.h", "fc_splat(1.1239) + fc_splat(1.1328)", "fc_splat(1.1239) - fc_splat(1.1328)", "tests/test_leaps.py -k poisson"),
    ("reactions", "pyx/reactions/poisson.h", "unsure[v] |= open & ~yes & ~no;", "", "tests/test_leaps.py -k poisson"),
    ("reactions", "pyx/reactions/poisson.h", "term[v] *= mean[v] * fc_splat(per);", "term[v] *= mean[v] * fc_splat(next);", "tests/test_leaps.py -k poisson"),
    ("reactions", "pyx/reactions/leapers.pxi", "waiting.single = run.leaps.steps, run.leaps.fired, run", "waiting.single = run.leaps.steps, 0, run", "tests/test_leaps.py -k single_events"),
    ("reactions", "pyx/reactions/leapers.pxi", "lane.single = leaps.single - left if band.turn else 0", "lane.single = 0", "tests/test_leaps.py -k single_events"),
    ("reactions", "pyx/reactions/leapers.pxi", "min(RESUM - leaps.steps % RESUM, run.max_events - leaps.steps)", "RESUM - leaps.steps % RESUM", "tests/test_leaps.py -k max_events"),
    ("reactions", "pyx/reactions/langevin.pxi", "0.5 * run.x[i] / run.leaps.used[i]", "2.5 * run.x[i] / run.leaps.used[i]", "tests/test_langevin.py -k statuses"),
    ("reactions", "pyx/reactions/langevin.pxi", "mean + sqrt(mean) * normal", "mean + mean * normal", "tests/test_langevin.py -k moments"),
    ("reactions", "pyx/reactions/langevin.pxi", "normals.other, normals.held = v * factor, True", "normals.other, normals.held = u * factor, True", "tests/test_langevin.py -k numbers"),
    ("reactions", "pyx/reactions/langevin.pxi", "if run.x[i] < 0.0:", "if run.x[i] < -1e300:", "tests/test_langevin.py -k twins"),
    ("reactions", "fastcore/reference/_langevin.py", "steps, status = 0, FINISHED", "steps, status = 1, FINISHED", "tests/test_langevin.py -k twins"),
    ("reactions", "fastcore/reactions/_runs.py", 'x.view(np.float64) if method == "cle"', 'x.astype(np.float64) if method == "cle"', "tests/test_langevin.py -k moments"),
    ("reactions", "pyx/reactions/poisson.pxi", "1.1239 + 1.1328", "1.1239 - 1.1328", "tests/test_leaping.py -k Poisson"),
    ("reactions", "fastcore/reference/_leaping.py", "order * total / times", "order * total", "tests/test_leaping.py -k twins"),
    ("reactions", "fastcore/reference/_poisson.py", "(2.0 * a / within + b) * u + mean + 0.43", "(2.0 * a / within + b) * u + mean + 0.93", "tests/test_leaping.py -k Poisson"),
    ("reactions", "pyx/reactions/reactions.pyx", "FINEST * <double>moves *", "1e-9 * <double>moves *", "tests/test_clock.py -k TooCoarse"),
    ("reactions", "pyx/reactions/reactions.pyx", "run.end - run.start if status == FINISHED else", "run.end - run.start if True else", "tests/test_clock.py -k end_early"),
    ("reactions", "fastcore/reference/_runs.py", "moves <= FEW_MOVES or", "", "tests/test_clock.py -k few_events"),
    ("reactions", "fastcore/reactions/_states.py", "FEWEST_STEPS * step", "0 * step", "tests/test_clock.py -k few_doubles"),
    ("reactions", "fastcore/reactions/_laws.py", "if falling and less:", "if less < 0:", "tests/test_next_reaction.py -k pairs"),
    ("reactions", "fastcore/reactions/_simulate.py", "<= MOST_DIRECT", "< MOST_DIRECT", "tests/test_rssacr.py -k auto"),
    ("reactions", "pyx/reactions/reactions.pyx", "    LISTED = 64 ", "    LISTED = 1 << 30 ", "tests/test_reactions_setup.py -k memory"),
    ("reactions", "pyx/reactions/reactions.pyx", "if method == DIRECT or method == NEXT_REACTION:", "if method == DIRECT:", "tests/test_next_reaction.py -k many_reactions"),
    ("reactions", "pyx/reactions/network.pxi", "found[0][at] <= network.reader[begin]", "found[0][at] >= network.reader[begin]", "tests/test_reactions_setup.py -k merged"),
    ("reactions", "pyx/reactions/reactions.pyx", "if not rate < INFINITY:\n                    status", "if rate < 0:\n                    status"),
    ("reactions", "fastcore/reactions/_network.py", "if params is not None or self._columns is None:", "if self._columns is not None:", "tests/test_reactions_setup.py -k expressions"),
    ("reactions", "fastcore/reactions/_network.py", "if last is None or last[0] != tuple(names):", "if last is None:", "tests/test_reactions_setup.py -k slopes"),
    ("reactions", "fastcore/reactions/_tables.py", "        if backend not in self._prepared:", "        if True:", "tests/test_reactions_setup.py -k prepared"),
    ("reactions", "fastcore/reactions/_tables.py", "net = products.get(name, 0) - count", "net = -count"),
    ("reactions", "fastcore/reactions/_results.py", "np.repeat(at[fired] - ends + lengths, lengths)", "np.repeat(at[fired] - ends, lengths)", "tests/test_reactions_setup.py -k dense"),
    ("reactions", "fastcore/reactions/_states.py", "found.get(key, 0.0) for key in species", "found.get(key, 1.0) for key in species"),
    ("reactions", "fastcore/_labelled.py", "names = frozenset(known)", "names = tuple(known)", "tests/test_reactions_setup.py -k labels"),
    ("reactions", "fastcore/reactions/_expressions.py", "right = self.expression(strength + 1)", "right = self.expression(strength)", "tests/test_rates.py -k values"),
    ("reactions", "fastcore/reactions/_expressions.py", "self.graph(operation, right, left) if turned", "self.graph(operation, left, right) if turned", "tests/test_rates.py -k values"),
    ("reactions", "fastcore/reactions/_laws.py", "and found.issuperset(reactants)", "", "tests/test_rates.py -k a_product"),
    ("reactions", "fastcore/reactions/_laws.py", "all(less == 0 or (i, less - 1) in found for i, less in found)", "True", "tests/test_rates.py -k a_product"),
    ("reactions", "fastcore/reactions/_tables.py", "            reading.extend(entering)\n            whose.extend([j] * len(entering))", "            entering = set() if law.program else entering\n            reading.extend(entering)\n            whose.extend([j] * len(entering))", "tests/test_rates.py -k master"),
    ("reactions", "fastcore/reactions/_variables.py", "found[name] = given[name].with_numbers(numbers).with_expressions(found)", "found[name] = given[name].with_numbers(numbers)", "tests/test_networks.py -k written"),
    ("reactions", "fastcore/reactions/_variables.py", "found[(x < 0).any(axis=-1)] = np.nan", "found[(x < 0).all(axis=0)] = np.nan", "tests/test_networks.py -k never"),
    ("reactions", "fastcore/reactions/_variables.py", "value.reshape(value.shape + (1,) * (x.ndim - 1 - value.ndim))", "value.reshape((1,) * (x.ndim - 1 - value.ndim) + value.shape)", "tests/test_networks.py -k sets"),
    ("reactions", "fastcore/reactions/_expressions.py", "return _restored, (self.nodes, self._text)", "return Expression, (self.text,)", "tests/test_networks.py -k simulated"),
    ("reactions", "fastcore/reactions/_events.py", "(kind == \"less\") == (clock == b)", "False", "tests/test_events.py -k windows"),
    ("reactions", "fastcore/reactions/_events.py", "if kind not in _COMPARISONS or not constant[other]:", "if not constant[other]:", "tests/test_events.py -k refused"),
    ("reactions", "fastcore/reference/_runs.py", "holds = [value < 0 or value > 0 for", "holds = [value > 1 for", "tests/test_events.py -k becomes_true"),
    ("reactions", "fastcore/reference/reactions.py", "            if run.settle(number, t):\n                run.renew()\n                status", "            if run.settle(number, t):\n                status", "tests/test_events.py -k rates_follow"),
    ("reactions", "fastcore/reactions/_sbml.py", "if reactants and not self.of_states(rate):", "if False:", "tests/test_sbml.py -k constant_law"),
    ("reactions", "fastcore/reactions/_sbml.py", "if reactant is not left or species in self.held:", "if reactant is not left:", "tests/test_sbml.py -k held"),
    ("reactions", "fastcore/reactions/_sbml.py", "return _times(value, self.sizes[species]) if species in self.sizes else value", "return value", "tests/test_sbml.py -k initial_assignments"),
    ("reactions", "fastcore/reactions/_mathml.py", "self.graph(operation, *((b, a) if turned else (a, b)))", "self.graph(operation, a, b)", "tests/test_sbml.py -k values"),
    ("reactions", "fastcore/reactions/_mathml.py", "key = name, *operands", "key = (name,)", "tests/test_sbml.py -k functions"),
    ("reactions", "fastcore/reactions/_net.py", "if name in self.fixed})", "if name not in self.fixed})", "tests/test_networks.py -k read"),
    ("reactions", "fastcore/reactions/_net.py", "found.get(name, 0) + 1", "1", "tests/test_networks.py -k rates"),
    ("reactions", "fastcore/reactions/_net.py", "        whole = graph(\"multiply\", whole, amount)", "        whole = whole", "tests/test_networks.py -k rates"),
    ("reactions", "pyx/reactions/network.pxi", "return rate if rate >= 0.0 else NAN", "return rate", "tests/test_rates.py -k cant_be"),
    ("reactions", "pyx/reactions/network.pxi", "if x[network.need[i]] < <double>network.least[i]:", "if x[network.need[i]] < 0:", "tests/test_rates.py -k without_its_reactants"),
    ("reactions", "fastcore/reference/_runs.py", "return any(self.x[species] < least for", "return any(self.x[species] < 0 for", "tests/test_rates.py -k without_its_reactants"),
    ("reactions", "pyx/reactions/reactions.pyx", "(0 if ensemble.one_x0 else row * n_species)", "0", "tests/test_rates.py -k computed"),
    ("reactions", "fastcore/reactions/_starts.py", "total.get(parameter, 0.0) + factor * slope", "total.get(parameter, 0.0) + slope", "tests/test_rates.py -k depends_on"),
    ("reactions", "pyx/reactions/states.pxi", "it.keep(further, it.hashes[at] + shifts[j])", "it.keep(further, it.hashes[at] + shifts[j] * (at + 1))", "tests/test_reactions.py -k Reachable"),
    ("reactions", "pyx/reactions/states.pxi", "inside &= 0 <=", "inside = 0 <=", "tests/test_reactions.py -k Reachable"),
    ("reactions", "pyx/reactions/states.pxi", "ready &= x[need[i]] >= least[i]", "ready &= x[need[i]] > 0", "tests/test_reactions.py -k Reachable"),
    ("reactions", "fastcore/reactions/_fsp.py", "p[0] = 1.0  # the start", "p[-1] = 1.0", "tests/test_reactions.py -k Reachable"),
    ("reactions", "fastcore/reactions/_structure.py", "-value if own > 0 else value", "-value", "tests/test_structure.py -k Laws"),
    ("reactions", "fastcore/reactions/_structure.py", "(excess[k] > 0) == many", "0", "tests/test_structure.py -k choice"),
    ("reactions", "fastcore/reactions/_structure.py", "return row if common == 1 else", "return row if True else", "tests/test_structure.py -k divisor"),
    ("reactions", "fastcore/reactions/_structure.py", "(position != k)", "(position >= k)", "tests/test_structure.py -k mass_action"),
    ("reactions", "fastcore/reactions/_structure.py", "csr_array((fires @ reads).astype(bool))", "csr_array((fires @ reads).T.astype(bool))", "tests/test_structure.py -k Dependencies"),
    ("reactions", "fastcore/reactions/_network.py", "(n - (other == name))", "n", "tests/test_structure.py -k of_expressions"),
    ("reactions", "fastcore/reactions/_stopping.py", "before=False", "before=True", "tests/test_passages.py -k at_the_start"),
    ("reactions", "fastcore/reactions/_stopping.py", "hidden[..., 1] * (tick / 2**_BITS)", "hidden[..., 1] * 0", "tests/test_passages.py -k any_size"),
    ("reactions", "fastcore/reactions/_runs.py", "network.param_values(params) if inner is not network", "None if inner is not network", "tests/test_passages.py -k parameters_of"),
    ("reactions", "fastcore/reactions/_runs.py", "per = 1 if each else per_set", "per = per_set", "tests/test_passages.py -k a_row_a_run"),
    ("reactions", "fastcore/reactions/_simulate.py", "collected.take(row - rows[0], part[0])", "collected.take(0, part[0])", "tests/test_summaries.py -k Histogram"),
    ("reactions", "fastcore/reactions/_states.py", "return counts, head[-1], True", "return counts, head[-1], False", "tests/test_passages.py -k a_row_a_run"),
    ("reactions", "fastcore/reactions/_reduced.py", "per_set - at % per_set", "per_set", "tests/test_summaries.py -k what_is_kept"),
    ("reactions", "fastcore/reactions/_summaries.py", "away**2 * (self.n * n / total)", "away**2 * 0", "tests/test_summaries.py -k what_is_kept"),
    ("reactions", "fastcore/reactions/_summaries.py", "found[x.min(axis=0) < 0] = np.nan", "pass", "tests/test_summaries.py -k never_reached"),
    ("reactions", "fastcore/reactions/_summaries.py", "room[..., : counts.shape[-1]] = counts", "room[..., -counts.shape[-1] :] = counts", "tests/test_summaries.py -k in_parts"),
    ("reactions", "fastcore/reactions/_summaries.py", "apart = x - x[0]", "apart = x - 0 * x[0]", "tests/test_summaries.py -k far"),
    ("reactions", "fastcore/reactions/_sbml_writing.py", "taken = 0 if self.deterministic else less", "taken = less", "tests/test_sbml_writing.py -k volume"),
    ("reactions", "fastcore/reactions/_sbml_writing.py", "_number(scale)] if scale != 1 else []", "_number(scale)] if scale > 1 else []", "tests/test_sbml_writing.py -k volume"),
    ("reactions", "fastcore/reactions/_sbml_writing.py", "texts[0] = parts[0].inside", "pass", "tests/test_sbml_writing.py -k long"),
    ("reactions", "fastcore/reactions/_sbml_writing.py", "part.truth() if kind in _LOGIC else part.number()", "part.truth() if kind in _LOGIC else part.text", "tests/test_sbml_writing.py -k truths"),
    ("reactions", "fastcore/reactions/_mathml.py", "*reversed(rest)", "*rest", "tests/test_sbml_writing.py -k long"),
    ("reactions", "fastcore/_simulate_command.py", "(counts if name in network.places else params)", "params", "tests/test_simulate_command.py -k options"),
    ("reactions", "fastcore/_simulate_command.py", "stack.enter_context(whole_file(options.plot))", "open(options.plot, 'wb')", "tests/test_simulate_command.py -k half"),
    ("reactions", "fastcore/reactions/_sbml.py", "        finally:\n            antimony.clearPreviousLoads()", "        finally:\n            pass", "tests/test_antimony.py"),
    ("reactions", "fastcore/compat/gillespie.py", "max(int(have) - i, 0) / (i + 1)", "max(int(have) - i, 0)", "tests/test_gillespie_face.py"),
    ("reactions", "fastcore/compat/gillespie.py", "species=names, combinatorial=True", "species=names", "tests/test_gillespie_face.py"),
    ("ode", "fastcore/ode/_polynomial.py", "if power == 1 else", "if power else", "tests/test_ode_systems.py -k Polynomial"),
    ("ode", "pyx/shared/_programs.pxd", "f.ab = -part * part", "f.ab = part * part", "tests/test_rates.py -k every_operation"),
    ("ode", "pyx/shared/_programs.pxd", "f.a = 1.0 + r * r", "f.a = 1.0 - r * r", "tests/test_rates.py -k every_operation"),
    ("ode", "pyx/shared/_programs.pxd", "chosen = b if frame[a] != 0", "chosen = b if frame[a] == 0", "tests/test_rates.py -k every_operation"),
    ("ode", "fastcore/reference/_programs.py", "return 1.0, -1.0, 0.0, 0.0, 0.0", "return 1.0, 1.0, 0.0, 0.0, 0.0", "tests/test_rates.py -k partials"),
    ("ode", "fastcore/ode/_resets.py", "if now and not before]", "if now]", "tests/test_ode_events.py -k becomes_true"),
    ("ode", "fastcore/ode/_resets.py", "kept = times[done : np.searchsorted(times, now)]", "kept = times[done : np.searchsorted(times, now, 'right')]", "tests/test_ode_events.py -k doses"),
    ("ode", "fastcore/ode/_resets.py", "stride = 2 * stride if stop is None else max(2 * (now - since), ", "stride = np.inf if stop is None else max(np.inf, ", "tests/test_ode_events.py -k many"),
    ("ode", "fastcore/reactions/_tables.py", 'more["change_at"][-1] += 1', 'more["change_at"][-1] += 0', "tests/test_rates.py -k integrated"),
    ("ode", "fastcore/reactions/_tables.py", "shift.append(less if law.whole else 0)", "shift.append(0)", "tests/test_rates.py -k literally"),
    ("ode", "pyx/ode/system.pxi", "matrix[s.changed[i] * n + s.factor[f]] -= ", "matrix[s.factor[f] * n + s.changed[i]] -= "),
    ("ode", "pyx/ode/system.pxi", "s.into_by[s.into_at[s.changed[i] + 1]] = s.by[i]", "s.into_by[s.into_at[s.changed[i] + 1]] = 1.0", "tests/test_ode.py -k compiled"),
    ("ode", "pyx/ode/system.pxi", "    y[n] = 1.0\n", "    y[n] = 2.0\n", "tests/test_ode.py -k twin"),
    ("ode", "pyx/ode/system.pxi", "s.small = s.plain and", "s.small =", "tests/test_ode.py -k Twins"),
    ("ode", "pyx/ode/system.pxi", "if s.small and n_params == 0:", "if s.small:", "tests/test_ode.py -k Twins"),
    ("ode", "fastcore/reactions/_states.py", "if rising and span[0] <= t_eval[0] and", "if rising and", "tests/test_ode.py -k bad_input"),
    ("ode", "pyx/ode/explicit.pxi", "for j in range(12, 15):", "for j in range(12, 14):", "tests/test_ode_systems.py -k dop853"),
    ("ode", "pyx/ode/explicit.pxi", "reached = start + <double>turn * step", "reached = t + 0.5 * step", "tests/test_ode_systems.py -k euler"),
    ("ode", "fastcore/ode/_events.py", "crossed &= before == -event.direction", "crossed &= before == event.direction", "tests/test_ode_systems.py -k scipy"),
    ("ode", "fastcore/ode/_integrate.py", "start_by_all[..., i, place] = 1.0", "start_by_all[..., i, place] = 2.0", "tests/test_ode_systems.py -k initial"),
    ("ode", "fastcore/ode/_steady.py", "np.append(-slope, held @ (x - at))", "np.append(-slope, held @ (at - x) + 1)", "tests/test_ode_systems.py -k conserved"),
    ("ode", "fastcore/ode/_fit.py", "np.concatenate(slopes) * (values if self.log else 1.0)", "np.concatenate(slopes)", "tests/test_ode_experiments.py -k halves"),
    ("ode", "fastcore/ode/_measured.py", "residuals / self.roots[self.present]", "residuals", "tests/test_ode_experiments.py -k twice"),
    ("ode", "fastcore/ode/_profile.py", "fdtri(1, dof, level)) / dof)", "fdtri(1, dof, level)))", "tests/test_ode_experiments.py -k line"),
    ("ode", "fastcore/ode/_rnn.py", "2 * found[1].T @ found[0]", "-2 * found[1].T @ found[0]", "tests/test_ode_experiments.py -k recursion"),
    ("nce", "fastcore/_noise.py", "* math.sqrt((_FREEDOM - 2) / _FREEDOM)", "", "tests/test_nce_noise.py -k moments"),
    ("nce", "fastcore/_noise.py", "+ math.log(m)\n", "\n", "tests/test_nce_noise.py -k integrate"),
    ("ode", "fastcore/reference/ode.py", "self.spread(j, flux, out, block * n)", "self.spread(j, flux, out, 0)"),
    ("nce", "pyx/nce/nce.pyx", "offset[i] + theta[k] if", "offset[i] + theta[k - 1] if"),
    ("nce", "fastcore/reference/nce.py", "            residual = data - 1.0", "            residual = data"),
    ("embeddings", "pyx/embeddings/predictions.h", "fp_store(rows[t] + at, row + step * h);", "fp_store(rows[t] + at, row - step * h);"),
    ("embeddings", "pyx/embeddings/predictions.h", "first ? fp_splat(0.0f) : fp_load(change + at);", "fp_splat(0.0f);"),
    ("embeddings", "pyx/embeddings/predictions.h", "if (lane == 0 && loss->factors++ == FP_FACTORS) {", "if (lane == 0 && loss->factors++ < 0) {"),
    ("embeddings", "pyx/embeddings/predictions.h", "logits[i] = -1000.0f;", "logits[i] = 0.0f;"),
    ("embeddings", "pyx/embeddings/embeddings.pyx", "low = max(at - reach, 0)", "low = max(at - reach + 1, 0)"),
    ("embeddings", "pyx/embeddings/embeddings.pyx", "else at + reach + 1\n", "else at + reach\n"),
    ("embeddings", "pyx/embeddings/embeddings.pyx", "rate - fall * self.places[at]", "rate - fall * at"),
    ("embeddings", "pyx/embeddings/embeddings.pyx", "rate - fall * offsets[t], fall, bag", "rate, fall, bag"),
    ("embeddings", "pyx/embeddings/embeddings.pyx", "1.0 / (it.high - it.low - 1)", "1.0 / (it.high - it.low)"),
    ("embeddings", "pyx/embeddings/embeddings.pyx", "if share >> 32 or next_u64(rng) >> 32 < share:", "if share >> 32 or next_u64(rng) >> 32 <= share >> 1:"),
    ("embeddings", "fastcore/reference/embeddings.py", "max(at - reach, 0) : at]", "max(at - reach, 0) : at + 1]"),
    ("embeddings", "fastcore/reference/embeddings.py", "self._add(neighbour, change, share)", "self._add(neighbour, change, 1.0)"),
    ("embeddings", "fastcore/embeddings/_models.py", "(np.sqrt(rare) + rare)", "np.sqrt(rare)"),
    ("embeddings", "fastcore/embeddings/_models.py", "np.float32(settings.dim / 2)", "np.float32(settings.dim)", "tests/test_embeddings.py -k what_the_kernel_is_given"),
    ("embeddings", "fastcore/embeddings/_models.py", "                    texts += len(offsets) - 1\n", "                    texts += len(offsets)\n"),
    ("embeddings", "fastcore/embeddings/_models.py", "settings.alpha - fall * done,", "settings.alpha,"),
    ("embeddings", "fastcore/embeddings/_corpus.py", "        self._file.seek(0)\n", "        pass\n"),
    ("embeddings", "fastcore/embeddings/_files.py", 'text = text.removeprefix(b"\\n")', "pass"),
    ("embeddings", "fastcore/embeddings/_files.py", '"%.9g"', '"%.8g"'),
    ("embeddings", "fastcore/embeddings/_vectors.py", "if i not in given", "if i >= 0"),
    ("skipgrams", "pyx/skipgrams/skipgrams.pyx", "        self.length -= n\n", "        self.length = 0\n"),
    ("ngrams", "fastcore/reference/ngrams/rows.py", "window = stream[i : i + order]", "window = stream[i : i + order - 1]"),
    ("skipgrams", "pyx/skipgrams/skipgrams.pyx", "for i in range(at + 1, at + 1 + window):", "for i in range(at + 1, at + window):"),
    ("skipgrams", "fastcore/reference/skipgrams.py", "text[i + 1 : i + 1 + window]", "text[i + 1 : i + window]"),
    ("vectorizer", "pyx/vectorizer/features.pyx", "cdef const int32_t *last = stream + n - 1", "cdef const int32_t *last = stream + n - 2"),
    ("vectorizer", "fastcore/reference/vectorizer/features.py", "for start in range(begin, end - n + 1):", "for start in range(begin, end - n):"),
    ("lexicon", "fastcore/reference/lexicon/trie.py", "found.append((j + 1, node[IDS]))", "found.append((j, node[IDS]))"),
    ("discovery", "fastcore/reference/discovery/pairs.py", "self._pairs.get((before, number), 0) + 1", "self._pairs.get((before, number), 0) + 2"),
    ("templates", "fastcore/reference/templates/trie.py", "for start in range(len(words) - length + 1):", "for start in range(len(words) - length):"),
    ("templates", "pyx/templates/trie.pyx", "null_score * (end - start - 1), -1, work.n_found", "null_score * (end - start), -1, work.n_found"),
    ("ngrams", "pyx/ngrams/ngrams.h", "scan->counts[k][scan->size[k] - 1] += counts[i];", "scan->counts[k][scan->size[k] - 1] += 1;"),
    ("lexicon", "pyx/lexicon/_lattice.pxd", "better = candidate > score[j]\n            score[j]", "better = candidate >= score[j]\n            score[j]"),
    ("discovery", "pyx/discovery/pairs.pyx", "                    self.chars[number + 1] += 1\n                    before = number", "                    self.chars[number + 1] += 1\n                    before = number if number >= 0 else before"),
    ("discovery", "pyx/discovery/redundancy.pyx", "best = max(best, max(begin, before + self.most - self.log_total) + end)", "best = max(best, begin + end)"),
    ("discovery", "pyx/discovery/redundancy.pyx", "                self.most = max(self.most, entry.log_count)\n", ""),
    ("discovery", "pyx/discovery/redundancy.pyx", "while 2 * begin < length:", "while begin < length:"),
    ("discovery", "pyx/discovery/pairs.pyx", "b = b if b < size else 0", "b = b if b < size + 64 else 0"),
    ("discovery", "pyx/discovery/words.pyx", "key |= packed((word + 2 if word + 1 < last else last)[0])", "key |= packed((word + 2 if word + 1 < last else last)[0]) - 1"),
    # What one unit hands to the next: chunks, blocks, times, lines.
    ("lexicon", "fastcore/lexicon/_tokenizer.py", "return ids, np.cumsum(offsets)", "return ids, np.concatenate([[0], *(part[1][1:] for part in parts)])", "tests/test_second_units.py -k segmented"),
    ("chain", "fastcore/chain/_batch.py", "self.offsets[first : last + 1] - a,", "self.offsets[first : last + 1],", "tests/test_second_units.py -k chain"),
    ("nce", "fastcore/nce.py", "min(max(n_data - i, 0), _ROWS)", "min(n_data, _ROWS)", "tests/test_second_units.py -k logistic"),
    ("ode", "fastcore/ode/_integrate.py", "slopes[rows], begin, *rest", "slopes[:size], begin, *rest", "tests/test_second_units.py -k parameter_sets"),
    ("reactions", "fastcore/reactions/_fsp.py", "error = np.maximum(1 - p.sum(axis=1), 0.0)", "error = np.maximum(1 - p[-1:].sum(axis=1), 0.0) + 0 * p[:, 0]", "tests/test_second_units.py -k projection"),
    ("reactions", "fastcore/reactions/_fsp.py", "now = until if step == until - now else now + step", "now = until", "tests/test_second_units.py -k pieces"),
    ("reactions", "fastcore/reactions/_reading.py", "side[name] = side.get(name, 0) + n", "side[name] = n", "tests/test_matrices.py -k twice"),
    ("reactions", "fastcore/reactions/_reading.py", "np.lexsort((self.columns, self.rows))", "np.argsort(self.columns)", "tests/test_matrices.py -k many_reactions"),
    ("reactions", "fastcore/reactions/_reading.py", "| (given != np.rint(given))", "", "tests/test_matrices.py -k bad_input"),
    ("reactions", "fastcore/reactions/_reading.py", "enumerate(text.splitlines(), 1)", "enumerate(text.splitlines())", "tests/test_second_units.py -k networks"),
    ("texts", "fastcore/_texts/sources.py", "            self._line += lines\n            self._column = len(data)", "            self._line = 1 + lines\n            self._column = len(data)", "tests/test_second_units.py -k Lines"),
    ("texts", "fastcore/_texts/sources.py", "rfind(b\"\\n\") - 1 + (0 if lines else self._column)", "rfind(b\"\\n\") - 1", "tests/test_texts.py tests/test_doors.py"),
    ("texts", "fastcore/_texts/sources.py", "{self.number + start + i}]\", manner)", "{self.number + i}]\", manner)", "tests/test_texts.py tests/test_doors.py"),
    ("skipgrams", "fastcore/skipgrams.py", "stream.add_texts(batch.texts, batch.number)", "stream.add_texts(batch.texts, 0)", "tests/test_skipgrams.py tests/test_doors.py"),
    ("skipgrams", "fastcore/skipgrams.py", "end[1:] + start for end", "end[1:] for end"),
    ("vectorizer", "fastcore/vectorizer/_vectorizer.py", "frequency += np.bincount", "frequency = np.bincount", "tests/test_second_units.py -k several_blocks"),
    ("recurrence", "pyx/recurrence/affine.h", "const VEC factor = V(splat)(z[r * dz + i]);", "const VEC factor = V(splat)(z[(r > 2 ? 2 : r) * dz + i]);", "tests/test_second_units.py -k cells"),
    ("recurrence", "pyx/recurrence/affine.h", "memcpy(packed + NAME(place)(k, i, column), values, count * sizeof(REAL));", "memcpy(packed + NAME(place)(k, i, column), values, (count - 1) * sizeof(REAL));", "tests/test_second_units.py -k cells"),
    # Merges of parts that have something in common.
    ("discovery", "pyx/discovery/pairs.pyx", "cell.mark += <uint64_t>pair_counts[k]", "cell.mark = mark_of(pair_counts[k])", "tests/test_second_units.py -k Merges"),
    ("discovery", "fastcore/reference/discovery/pairs.py", "self._pairs[a, b] = self._pairs.get((a, b), 0) + count", "self._pairs[a, b] = count", "tests/test_second_units.py -k Merges"),
    ("templates", "pyx/templates/paths.pxi", "steps[kept - 1].ways = plus(steps[kept - 1].ways, steps[i].ways)", "steps[kept - 1].ways = steps[i].ways", "tests/test_second_units.py -k meet"),
    ("ngrams", "fastcore/ngrams/_merging.py", "kernel.pack(ids_of[ids], *layout)", "kernel.pack(ids, *layout)", "tests/test_second_units.py -k tables"),
    ("ngrams", "fastcore/ngrams/_merging.py", '"totals": [a + b for', '"totals": [max(a, b) for', "tests/test_second_units.py -k tables"),
    ("ngrams", "fastcore/ngrams/_counter.py", "ids[kernel.unpack(keys, self._order, *run.layout)]", "kernel.unpack(keys, self._order, *run.layout)", "tests/test_second_units.py -k tables"),
    # Widths that nobody can afford to fill.
    ("ngrams", "fastcore/_widths.py", "total < 2**32", "total <= 2**32", "tests/test_widths.py"),
    ("skipgrams", "fastcore/_widths.py", "entries < 2**31", "entries <= 2**31", "tests/test_widths.py"),
    ("skipgrams", "pyx/skipgrams/skipgrams.pyx", "return 4 if length < 0x7fffffff else 8", "return 4 if length < 0x80000001 else 8", "tests/test_widths.py"),
    ("skipgrams", "pyx/skipgrams/skipgrams.pyx", "                count += carry[second]\n", "", "tests/test_widths.py"),
    ("lexicon", "fastcore/lexicon/_lexicon.py", "self.total < 2**32", "self.total <= 2**32 + 2**31", "tests/test_widths.py"),
    ("ngrams", "fastcore/ngrams/_layout.py", "return min(radix, 2**32)", "return min(radix, 2**31)"),
    # What hides behind a checksum.
    ("lexicon", "pyx/lexicon/_trie_layout.pxd", "good &= self.index[i] < self.n_pages", "good &= self.index[i] <= 0xffff", "tests/test_lexicon.py -k 'hostile or forged'"),
    ("lexicon", "pyx/lexicon/_trie_layout.pxd", "units[self.units[i].base].check != i", "units[self.units[i].base].check != -2", "tests/test_lexicon.py -k forged"),
    ("lexicon", "fastcore/lexicon/_files.py", "        and bool((counts > 0).all())\n", "", "tests/test_lexicon.py -k forged"),
    # Options in pickles.
    ("lexicon", "fastcore/lexicon/_tokenizer.py", "return _rebuild, (self.lexicon, self._options)", "return _rebuild, (self.lexicon, {**self._options, 'null_score': -100.0})", "tests/test_second_units.py -k Travel"),
    ("templates", "fastcore/templates/_trie.py", "return self._backend, self._counts\n", "return self._backend, dict.fromkeys(self._counts, 1)\n", "tests/test_second_units.py -k Travel"),
    ("ngrams", "fastcore/ngrams/_counter.py", "self._least = max(self._least, least)", "pass", "tests/test_second_units.py -k pruned"),
    # Constants and conditions of formulas, in wrappers too.
    ("nce", "fastcore/nce.py", "covariance[-1, -1] -= 1 + 1 / nu", "covariance[-1, -1] -= 1", "tests/test_second_units.py -k Constants"),
    ("crf", "fastcore/crf/_training.py", "counts -= own[1]", "pass"),
    ("crf", "fastcore/crf/_training.py", "full[first + restriction.steps] = -1", "full[restriction.steps] = -1"),
    ("crf", "fastcore/crf/_labels.py", "self.ids[first + steps, None]", "self.ids[steps, None]"),
    ("crf", "fastcore/crf/_model.py", "np.where(limits.forbidden, -np.inf, matrix)", "np.where(limits.forbidden.T, -np.inf, matrix)"),
    ("crf", "fastcore/crf/_model.py", "shares /= max(1.0, float(shares.sum()))", "shares /= float(shares.sum())"),
    ("crf", "pyx/crf/features.pyx", "if label >= 0:", "if label > 0:"),
    ("crf", "fastcore/crf/_search.py", "history[-1 - period] - point.loss", "history[-period] - point.loss", "tests/test_second_units.py -k Constants"),
    ("crf", "fastcore/crf/_search.py", "<= epsilon**2 * max(1.0,", "<= epsilon * max(1.0,"),
    ("crf", "pyx/crf/features.pyx", "elif gradient[i] < -c1:", "elif gradient[i] < 0:"),
    ("crf", "pyx/crf/features.pyx", "side = weights[i] if weights[i] != 0 else -steepest[i]", "side = weights[i] if weights[i] != 0 else steepest[i]"),
    ("crf", "pyx/crf/sums.h", "sums[j] += now * FS_WIDEN", "sums[j] += share * FS_WIDEN"),
    ("crf", "pyx/crf/sums.h", "            out[i] += share * x[i]; ", "            out[i] += x[i]; "),
    ("crf", "fastcore/crf/_search.py", "direction *= curvature / size", "direction *= size / curvature"),
    ("crf", "fastcore/reference/crf/features.py", "max(abs(slope) - c1, 0.0)", "max(abs(slope), 0.0)"),
    ("crf", "fastcore/crf/_cqdb.py", "(4, 6, 8, 16, 19, 4)", "(4, 6, 8, 16, 19, 5)", "tests/test_crf_files.py"),
    ("crf", "fastcore/crf/_cqdb.py", "np.unique(driven)", "driven[:0]", "tests/test_crf_files.py"),
    ("crf", "fastcore/crf/_cqdb.py", "(taken >= slots)", "(taken > slots)", "tests/test_crf_files.py"),
    ("crf", "fastcore/crf/_cqdb.py", "sizes.sum() > size)", "False)", "tests/test_crf_files.py"),
    ("crf", "fastcore/crf/_cqdb.py", "places.max() + 8 > size", "places.max() > size", "tests/test_crf_files.py"),
    ("crf", "fastcore/crf/_crfsuite.py", "gap = -end % 4", "gap = 0", "tests/test_crf_files.py"),
    ("crf", "fastcore/crf/_crfsuite.py", "numbers.max() >= len(kept)", "numbers.max() > len(kept)", "tests/test_crf_files.py"),
    ("crf", "fastcore/crf/_crfsuite.py", '(found["source"] == owner)', '(found["source"] >= 0)', "tests/test_crf_files.py"),
    ("crf", "fastcore/crf/_crfsuite.py", "sizes.sum() > len(words)", "False", "tests/test_crf_files.py"),
    ("crf", "fastcore/crf/_crfsuite.py", "max(PAIRS, len(data))", "2**62", "tests/test_crf_files.py"),
    ("crf", "fastcore/crf/_crfsuite.py", "first + np.arange(len(own))", "np.arange(len(own))", "tests/test_crf_files.py"),
    ("crf", "fastcore/crf/_saved.py", "not _rise(pairs[:, 0] * n + pairs[:, 1])", "False", "tests/test_crf_files.py"),
    ("crf", "fastcore/_npz.py", "or size != rest", "", "tests/test_crf_files.py"),
    ("crf", "fastcore/compat/pycrfsuite/_tagger.py", "if not self.decoder.sound(scores, values):", "if False:", "tests/test_crfsuite_faces.py"),
    ("crf", "fastcore/compat/pycrfsuite/_tagger.py", "self._opened, self._sentence = _Opened(parse_model(content, name)), None", "self._opened = _Opened(parse_model(content, name))", "tests/test_crfsuite_faces.py"),
    ("crf", "fastcore/compat/pycrfsuite/_trainer.py", "if group == holdout >= 0", "if group == holdout >= 1", "tests/test_crfsuite_faces.py"),
    ("crf", "fastcore/compat/pycrfsuite/_trainer.py", "if group != holdout or holdout < 0]", "if group < 0 or group != holdout + 1]", "tests/test_crfsuite_faces.py"),
    ("crf", "fastcore/compat/pycrfsuite/_trainer.py", "group != holdout or holdout < 0", "group != holdout", "tests/test_crfsuite_faces.py"),
    ("crf", "fastcore/compat/pycrfsuite/_parameters.py", 'Parameter("type", "pa_type", 1,', 'Parameter("type", "c", 1,', "tests/test_crfsuite_faces.py"),
    ("crf", "fastcore/compat/pycrfsuite/_logparser.py", 'end = len(self.log) - (event in ("prepared", "optimization_end"))', "end = len(self.log)", "tests/test_crfsuite_faces.py"),
    ("crf", "fastcore/compat/pycrfsuite/_dumpparser.py", 'f"{weight:f}" for weight', 'f"{weight:.5f}" for weight', "tests/test_crfsuite_faces.py"),
    ("crf", "fastcore/compat/sklearn_crfsuite/_fileresource.py", " and self._process == os.getpid()", "", "tests/test_crfsuite_faces.py"),
    ("crf", "fastcore/compat/sklearn_crfsuite/estimator.py", '{**self.__dict__, "_tagger": None, "_info_cached": None}', '{**self.__dict__, "modelfile": None}', "tests/test_crfsuite_faces.py"),
    ("crf", "fastcore/compat/sklearn_crfsuite/estimator.py", "        self._tagger = self._info_cached = None\n", "", "tests/test_crfsuite_faces.py"),
    ("ode", "fastcore/ode/_fit.py", "stdtrit(self.dof, 0.5 + level / 2)", "stdtrit(1e9, 0.5 + level / 2)", "tests/test_second_units.py -k quantile"),
    ("ode", "fastcore/ode/_fit.py", "dof = problem.n - len(names)", "dof = problem.n - len(names) + 1"),
    ("ngrams", "fastcore/ngrams/_scores.py", "np.log(counts) - np.log(table._totals[order - 1])", "np.log(counts) - np.log(table._totals[0])"),
    ("vectorizer", "fastcore/vectorizer/_vectorizer.py", "else self.max_df * documents", "else self.max_df * (documents - 1)"),
    ("discovery", "fastcore/discovery/_adjacent.py", "(scores > min_pmi)", "(scores >= min_pmi - 0.5)"),
    ("templates", "fastcore/templates/_finder.py", "math.log(pairs.total)", "math.log(len(tokens))"),
    ("chain", "pyx/chain/chain.pyx", "if t > offsets[s]:", "if t > 0:"),
    ("chain", "fastcore/reference/chain.py", "            if t > a:\n                counts", "            if t:\n                counts"),
    ("chain", "pyx/chain/chain.pyx", "legal &= scores[i] < INFINITY", "legal = scores[i] < INFINITY"),
    ("chain", "pyx/chain/chain.pyx", "legal &= 0 <= labels[t] < size", "legal &= 0 <= labels[t] <= size"),
    ("reactions", "fastcore/reactions/_network.py", "self._volume ** (1 - sum(reactants.values()))", "self._volume ** (1 - len(reactants))"),
    ("recurrence", "fastcore/recurrence/_loop.py", "        elements = reversed(list(elements))", "        pass"),
    ("nlp_zero", "fastcore/compat/nlp_zero/_finder.py", "self.pairs[pair] = self.pairs.get(pair, 0) + count", "self.pairs[pair] = count", "tests/test_second_units.py -k nlp_zero"),
    ("chain", "fastcore/chain/_paths.py", "joined([part[0] for part in parts], axis=1), joined([part[1]", "parts[0][0], joined([part[1]", "tests/test_second_units.py -k chain"),
    ("nlp_zero", "fastcore/compat/nlp_zero/_finder.py", "words[word] = words.get(word, 0) + count", "words[word] = count", "tests/test_second_units.py -k nlp_zero"),
    ("recurrence", "fastcore/recurrence/_loop.py", "        ys.reverse()", "        pass"),
    ("reactions", "fastcore/reactions/_network.py", "scale /= float(np.prod(np.arange(1.0, n + 1)))", "scale /= float(n)"),
    ("ngrams", "pyx/ngrams/rows.pyx", "both[i, words] = <uint64_t> counts[i]", "both[i, words] = 1"),
    ("templates", "fastcore/templates/_finder.py", "> min_pmi + _ROUNDING)", "> min_pmi)", "tests/test_templates.py -k said_again"),
    ("templates", "fastcore/compat/nlp_zero/_lattice.py", "reached, pending = set(starts), list(starts)", "reached, pending = set(self.edges), list(self.edges)", "tests/test_nlp_zero_lattice.py"),
    ("templates", "pyx/templates/finder.pyx", "search.taken += search.n_levels", "search.taken += 1"),
    ("templates", "pyx/templates/chosen.pxi", "words > target.words or", "words < target.words or", "tests/test_templates.py -k Closed"),
    ("templates", "pyx/templates/chosen.pxi", "    shortest -= early\n", "", "tests/test_templates.py -k like_words"),
    ("templates", "pyx/templates/paths.pxi", "return block.before + set_bits(", "return set_bits(", "tests/test_template_memory.py -k Tokens"),
    ("templates", "pyx/templates/paths.pxi", "    if window <= NEAR:", "    if window <= NEAR + 1:", "tests/test_template_memory.py -k Tokens"),
    ("templates", "pyx/templates/paths.pxi", "        moves -= i - j\n        if moves < 0:\n            return False", "        moves -= i - j\n        if moves < 0:\n            return True", "tests/test_template_memory.py -k Tokens"),
    ("templates", "pyx/templates/closed.pyx", "        shift += 7\n", "        shift += 8\n", "tests/test_template_memory.py -k Tokens"),
    ("templates", "pyx/templates/closed.pyx", "        if graph.by_path or count >= min_count:", "        if count >= min_count:", "tests/test_templates.py -k many_paths"),
    ("templates", "fastcore/_text_commands.py", "if not word.isspace()]", "]", "tests/test_cli.py -k templates"),
    ("templates", "fastcore/templates/_trie.py", "(mark + text).encode()", "text.encode()", "tests/test_templates.py -k Forms"),
    ("templates", "fastcore/templates/_numbers.py", "offsets[1:] + self._written", "offsets[1:]", "tests/test_template_memory.py -k File"),
    ("templates", "pyx/templates/chosen.pxi", "            if compared(lattice, x.best, y.best) <= 0:", "            if True:", "tests/test_templates.py -k Closed"),
    ("templates", "fastcore/templates/_finder.py", "int((1 - 1e-6) * min_proba", "int((1 + 1e-1) * min_proba", "tests/test_templates.py -k rare"),
    ("nlp_zero", "fastcore/compat/nlp_zero/_grams.py", "total = log(self.counts.sum().item())", "total = 0.0", "tests/test_nlp_zero_templates.py -k mended"),
    ("nlp_zero", "fastcore/compat/nlp_zero/_grams.py", "np.lexsort((second, first))", "np.lexsort((first, second))", "tests/test_nlp_zero_templates.py -k poems"),
    ("nlp_zero", "fastcore/compat/nlp_zero/_templates.py", "            if at < end:\n                symbols.append(None)", "            if at < end:\n                symbols.append(words[at])", "tests/test_nlp_zero_templates.py -k test_tree"),
    ("templates", "fastcore/templates/_finder.py", "sure = (always[0] & always[1]) |", "sure =", "tests/test_templates.py -k Closed"),
    ("templates", "pyx/templates/trie.pyx", "        below = i + 1\n", "        below = i + 2\n", "tests/test_templates.py -k TestParser"),
    ("templates", "fastcore/reference/templates/trie.py", "sum(start <= a and b <= end", "sum(start < a and b <= end", "tests/test_templates.py -k TestParser"),
    ("templates", "pyx/templates/trie.pyx", "elif work.n_found - listed > 1:", "elif work.n_found - listed > 9:"),
    ("templates", "pyx/templates/finder.pyx", "if search.n_levels == longest:", "if search.n_levels == longest + 1:"),
    ("templates", "fastcore/reference/templates/finder.py", "steps += (n + 1) * len(longer)", "steps += n * len(longer)"),
    ("nlp_zero", "pyx/templates/loose.pyx", "champion >= 0 and 1e4 * score < highest - 1:", "champion >= 0 and 1e4 * score < highest:", "tests/test_nlp_zero_templates.py -k TestParser"),
    ("nlp_zero", "pyx/templates/loose.pyx", "        if not earlier(work, made, i):\n            return 0", "        return 0", "tests/test_nlp_zero_templates.py -k TestParser"),
    ("nlp_zero", "pyx/templates/loose.pyx", "1 if k - work.entries[x].place <= slot else 2", "1", "tests/test_nlp_zero_templates.py -k TestParser"),
    ("nlp_zero", "fastcore/reference/templates/loose.py", "    return [*above, new, *below][:FRONT]", "    return [*above, new] if above else [new]", "tests/test_nlp_zero_templates.py -k TestParser"),
    ("nlp_zero", "fastcore/compat/nlp_zero/_loose.py", "scores.append(log(ends[0].children", "scores.append(log(ends[-1].children", "tests/test_nlp_zero_templates.py -k TestParser"),
    ("nlp_zero", "pyx/templates/readings.pyx", "add_found(work, 2 * work.readings[k].tail + (i > start)", "add_found(work, 2 * work.readings[k].tail + (i > 0)", "tests/test_nlp_zero_templates.py -k TestFinder"),
    ("nlp_zero", "fastcore/reference/templates/readings.py", "whole = read if i == start else (SLOT, *read)", "whole = (SLOT, *read)", "tests/test_nlp_zero_templates.py -k TestFinder"),
    ("nlp_zero", "fastcore/compat/nlp_zero/_finder.py", "for piece in [*pieces] or [\"\"])", "for piece in pieces)", "tests/test_nlp_zero_templates.py -k TestFinder"),
    ("templates", "fastcore/templates/_frames.py", "spelled < _WHOLE * counts[template]", "spelled < 2 * _WHOLE * counts[template]", "tests/test_templates.py -k Closed"),
    ("templates", "fastcore/templates/_frames.py", "        chosen[longer] = chosen.get(chosen[longer], chosen[longer])", "        pass", "tests/test_templates.py -k Closed"),
    ("ode", "pyx/ode/explicit.pxi", "if end > t and not finite(k1, n):", "if end > t and not finite(k1, 0):"),
    ("ode", "fastcore/ode/_profile.py", "            step *= 0.25\n", "            break\n", "tests/test_ode_experiments.py -k Edges"),
    ("ode", "fastcore/ode/_steady.py", "length = 1 / steepest if 0 < steepest < np.inf else 1.0", "length = 1e-300", "tests/test_ode_systems.py -k reached_from"),
    ("ode", "fastcore/ode/_descent.py", "step[past] = np.where(there < low, low - theta, high - theta)[past]", "step[past] = 0.0", "tests/test_least_squares.py"),
    ("ode", "fastcore/ode/_descent.py", "radius = min(2.0 * radius, reach)", "radius = 2.0 * radius", "tests/test_least_squares.py"),
    ("ode", "fastcore/ode/_descent.py", "if found is not None and won > _KEPT:", "if found is not None:", "tests/test_least_squares.py"),
    ("ode", "fastcore/ode/_descent.py", "            if not hope > _ROUNDING * sse:", "            if True:", "tests/test_least_squares.py"),
    ("ode", "fastcore/ode/_descent.py", "& (slope >= 0)", "& (slope <= 0)", "tests/test_least_squares.py"),
    ("reactions", "pyx/shared/_programs.pxd", "if a != 0.0 or b <= 0.0:", "if True:", "tests/test_ode.py -k nothing"),
    ("reactions", "pyx/reactions/rssacr.pxi", "for i in range(n_left):", "for i in range(min(n_left, 1)):", "tests/test_rssacr.py -k Twins"),
    ("reactions", "pyx/reactions/leaping.pxi", "looked[stops[i].species] = True", "looked[stops[i].species] = False", "tests/test_leaping.py -k no_rate"),
    ("reactions", "pyx/reactions/leaping.pxi", "looked[events.read[i]] = True", "looked[events.read[i]] = False", "tests/test_leaping.py -k no_rate"),
    ("ode", "pyx/ode/explicit.pxi", "h = h if h > least else least", "h = h if h > 0 else least", "tests/test_ode.py -k units_of_time"),
    ("ode", "pyx/ode/explicit.pxi", " or h >= end - t)", ")", "tests/test_ode.py -k units_of_time"),
    ("ode", "fastcore/ode/_resets.py", "_SHORTEST * np.spacing(abs(now))", "0.0", "tests/test_ode_events.py -k apart"),
    ("ngrams", "fastcore/_texts/sources.py", "len(data) - len(error.object) + error.start", "error.start", "tests/test_doors.py -k behind"),
    ("crf", "fastcore/crf/_training.py", "if min_freq > 0 or by_sums else", "if min_freq >= 0 or by_sums else", "tests/test_crf.py -k BelowZero"),
    ("crf", "fastcore/crf/_model.py", "if not self.features.labels:", "if self.features.labels < 0:", "tests/test_crf.py -k NoLabels"),
    ("nce", "fastcore/_noise.py", "distances[own, nearest[own]] = np.inf", "distances[own, nearest[own]] = 0.0", "tests/test_nce_noise.py -k kernels"),
    ("nce", "fastcore/_noise.py", "[0] > _ROUNDED)", "[0] > 0)", "tests/test_nce_noise.py -k rounding"),
    ("nce", "fastcore/_softmax.py", "weights[:, d] - coefficients @ middle", "weights[:, d] + coefficients @ middle", "tests/test_nce_softmax.py"),
    ("nce", "fastcore/nce.py", "step *= min(1.0, radius / length) if length > 0 else 1.0", "step *= 1.0", "tests/test_nce.py -k FarStarts"),
    ("templates", "fastcore/templates/_finder.py", "kept[0] is not self.templates_", "False", "tests/test_templates.py"),
    ("ode", "fastcore/ode/_search.py", "<= near, high - theta <= near", "<= near, high - theta < 0"),
    ("ode", "fastcore/ode/_search.py", "covariance[np.abs(rest) > 1e-6] = np.inf", "covariance[:] = np.inf"),
    ("ode", "fastcore/ode/_functions.py", "solver.t == before", "solver.t < before"),
    ("nce", "fastcore/nce.py", "_nearest(rows[: len(data)], noise_of(", "_nearest(0 * rows[: len(data)], noise_of("),
    ("reactions", "fastcore/reactions/_fsp.py", "if 1 - p.sum() > tolerance:", "if 1 - p.sum() > 1:"),
    ("labelled", "fastcore/_labelled.py", "for column in columns], axis=-1)", "for column in labelled], axis=-1)"),
    ("interrupts", "pyx/shared/_signals.pxd", "        raise_if_cancelled()\n", "", "tests/test_interrupts.py -k flag"),
    ("lexicon", "pyx/lexicon/_nbest.pxd", "kept[there.joining] < self.k", "n < self.k"),
    ("lexicon", "pyx/lexicon/segmenter.pyx", "reach = max(reach, j)", "pass"),
    ("discovery", "pyx/discovery/symbols.pyx", "while end < n and self.numbers[PyUnicode_READ(kind, data, end)] == IN_RUN:", "while False:"),
    ("templates", "fastcore/templates/_finder.py", "len(names), \">u4\")", "len(names), \"<u4\")", "tests/test_templates.py -k test_order"),
    ("templates", "fastcore/templates/_finder.py", "ranks = np.full(len(names), len(names),", "ranks = np.full(len(names), 0,", "tests/test_templates.py -k test_order"),
    ("templates", "fastcore/templates/_sentences.py", "tuple(words) if type(words :=", "words if type(words :=", "tests/test_templates.py -k use_its_list"),
    ("templates", "pyx/templates/paths.pxi", "signs[i] |= sign_of(second[k])", "signs[i] = sign_of(second[k])", "tests/test_templates.py -k twins_agree"),
    ("recurrence", "pyx/recurrence/affine.h", "n * wide + (at - n) * 2 * W", "0"),
    ("recurrence", "pyx/recurrence/affine.h", "back ? n + rest - 1 - i : i", "back ? n + rest - 1 : i"),
    ("nce", "fastcore/nce.py", "self.steps <= np.maximum(plain, 1e-3 * np.abs(theta))", "self.steps < np.inf"),
    ("nce", "fastcore/nce.py", "size + abs(theta) * slope)", "size)"),
    ("nce", "fastcore/nce.py", "if 0.1 * step < self.steps[j] < 10 * step:", "if True:"),
    ("nce", "fastcore/_softmax.py", "elif k > _A_ROW * n:", "elif k > 2 * _A_ROW * n:", "tests/test_nce_softmax.py"),
    ("embeddings", "fastcore/embeddings/_models.py", "> 1.1 * (1 + settings.negative) * np.log(2):", "> 1e99 * (1 + settings.negative) * np.log(2):"),
    ("recurrence", "fastcore/recurrence/_sequences.py", "given.data.double() if data.dtype == np.float64 else given.data.float()", "given.data", "tests/test_recurrence_cells.py -k another_type"),
    ("recurrence", "fastcore/recurrence/_sequences.py", "if not self._packed_alike(value):", "if len(value.data) != len(self.rows):", "tests/test_recurrence_cells.py -k another_way"),
    ("recurrence", "fastcore/recurrence/_sequences.py", "side=\"right\"))[order]", "side=\"left\"))[order]", "tests/test_recurrence_cells.py -k Forms"),
    ("recurrence", "fastcore/recurrence/_onnx.py", "return [axes[k] for k in order] if", "return axes if", "tests/test_recurrence_files.py -k moves"),
    ("recurrence", "fastcore/recurrence/_onnx.py", "for axis in [made[-1], *longer]", "for axis in [*longer, made[-1]]", "tests/test_recurrence_files.py -k moves"),
    ("recurrence", "fastcore/recurrence/_onnx.py", "in (*_MAKES, *_SPREADS)", "in _MAKES", "tests/test_recurrence_files.py -k \"spread or start\""),
    ("recurrence", "fastcore/recurrence/_cells.py", "            and x.flags.aligned\n            and h", "            and h", "tests/test_recurrence_cells.py -k across"),
    ("recurrence", "fastcore/recurrence/_stack.py", "*(cell.W for layer in self.layers for cell in layer)", "self.layers[0][0].W", "tests/test_recurrence_cells.py -k widest"),
    ("nce", "pyx/nce/logistic.h", "small / (sum * sum)", "small / sum"),
    ("nce", "pyx/nce/logistic.h", "fc_bits(small), fc_bits(one))) / sum", "fc_bits(one), fc_bits(small))) / sum"),
    ("nce", "pyx/nce/nce.pyx", "            part += log(product)\n", ""),
    ("crf", "fastcore/crf/_search.py", "here[2] > -SLOPE * slope and trial_number < STEEP", "False", "tests/test_crf.py"),
    ("crf", "fastcore/crf/_search.py", "share = min(share, low[2] / (low[2] - high[2]))", "pass", "tests/test_crf.py"),
    ("crf", "fastcore/crf/_search.py", "and trial_number < STEEP", "", "tests/test_crf.py"),
]  # fmt: skip

COPY = Path("build/planted")
SEEN = Path("tests/planted_seen.json")
# Seconds that a domain's tests may take; a bug that makes a loop endless costs as much.
PATIENCE = 300


def copy_sources() -> None:
    """Copy what git knows, and files it would take, to a folder of its own."""
    shutil.rmtree(COPY, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        target = COPY / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(name, target)


def build() -> None:
    """Compile what changed, for this machine only, and in a hurry: variants at -O3 would take five times as long."""
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=COPY,
        check=True,
        capture_output=True,
        env={**os.environ, "FASTCORE_QUICK": "1"},
    )


def name_of(bug: tuple[str, ...]) -> str:
    return f"{bug[1]}: {bug[2].strip()} -> {bug[3].strip()}"


def tests_of(bug: tuple[str, ...]) -> tuple[str, ...]:
    """What pytest is to run for a bug: of tests on both twins, those on the one that has it."""
    if len(bug) > 4:
        return tuple(shlex.split(bug[4]))
    files = sorted(str(path.relative_to(COPY)) for path in COPY.glob(f"tests/test_{bug[0]}*.py"))
    if not files:
        raise SystemExit(f"there are no tests of {bug[0]}")
    twin = "compiled" if bug[1].startswith("pyx/") else "reference" if "/reference/" in bug[1] else ""
    other = {"compiled": "reference", "reference": "compiled"}.get(twin)
    return tuple(files) if other is None else (*files, "-k", f"not {other}")


def run_tests(tests: tuple[str, ...], patience: float = PATIENCE) -> tuple[bool, str]:
    """Run tests in the copy: whether they pass, and the first that doesn't. A crash is red too, and what doesn't end."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    try:
        result = subprocess.run(command, cwd=COPY, capture_output=True, text=True, check=False, timeout=patience)
    except subprocess.TimeoutExpired:
        return False, ""
    if result.returncode in (0, 1) or result.returncode < 0:
        failed = re.search(r"^FAILED (tests/[^\[\s]+)", result.stdout, re.MULTILINE)
        return result.returncode == 0, failed[1] if failed else ""
    # A bug may keep modules from being imported; that is red, and so is nothing else that pytest can't do.
    if result.returncode == 2 and "error" in result.stdout:
        return False, ""
    raise SystemExit(f"{' '.join(tests)} did not run:\n{result.stdout}{result.stderr}")


def check_places(bugs: list[tuple[str, ...]]) -> None:
    """Refuse, before anything is built, bugs whose place isn't there any more."""
    gone = []
    for _, name, old, *_ in bugs:
        path = Path(name)
        times = path.read_text(encoding="utf-8").count(old) if path.exists() else 0
        if times != 1:
            gone.append(f"{name}: {old!r} must stand there once, not {times} times")
    if gone:
        raise SystemExit("\n".join(gone))


class Baseline:
    """Tests that are green without a bug: others would see any."""

    def __init__(self) -> None:
        self.green: set[tuple[str, ...]] = set()

    def check(self, tests: tuple[str, ...]) -> None:
        if tests not in self.green:
            green, test = run_tests(tests)
            if not green:
                raise SystemExit(f"{' '.join(tests)}: red without any bug: {test}")
            self.green.add(tests)


def still_there(test: str) -> bool:
    """Whether a test that once saw a bug hasn't been moved or renamed since."""
    file, *names = test.split("::")
    path = COPY / file
    if not path.is_file():
        return False
    text = path.read_text(encoding="utf-8")
    return all(re.search(rf"^\s*(class|def) {re.escape(name)}\b", text, re.MULTILINE) for name in names)


def main(arguments: list[str]) -> int:
    record = "--record" in arguments
    domains = [name for name in arguments if name != "--record"]
    chosen = [bug for bug in PLANTED if not domains or bug[0] in domains]
    check_places(chosen)
    copy_sources()
    build()
    known = json.loads(SEEN.read_text(encoding="utf-8"))
    quick = {bug: known[name_of(bug)] for bug in chosen if still_there(known.get(name_of(bug), "gone"))}
    if quick:
        green, test = run_tests(tuple(sorted(set(quick.values()))), 10 * PATIENCE)
        if not green:
            raise SystemExit(
                f"tests that are to see bugs are red without any: {test or 'they crash, or take too long'}"
            )
    baseline = Baseline()
    for bug in chosen:
        if bug not in quick:
            baseline.check(tests_of(bug))
    unseen, stale = [], False
    # The bugs of a kernel together: a build for the next one also mends what the last one left behind.
    for bug in sorted(chosen, key=lambda bug: bug[1]):
        name, old, new = bug[1:4]
        file = COPY / name
        text = file.read_text(encoding="utf-8")
        compiled = name.endswith((".pyx", ".pxd", ".pxi", ".h"))
        file.write_text(text.replace(old, new), encoding="utf-8")
        if compiled or stale:
            build()
        stale = compiled
        green, test = run_tests((quick[bug],)) if bug in quick else (True, "")
        if green and bug in quick:
            # Another test may see it: all of them, once they are known to be green without it.
            file.write_text(text, encoding="utf-8")
            build()
            baseline.check(tests_of(bug))
            file.write_text(text.replace(old, new), encoding="utf-8")
            build()
        if green:
            green, test = run_tests(tests_of(bug))
        print(f"{'NOT SEEN' if green else 'seen':<9} {name}: {old.strip()!r} -> {new.strip()!r}", flush=True)
        if green:
            unseen.append(name)
        elif test:
            known[name_of(bug)] = test
        file.write_text(text, encoding="utf-8")
    if record:
        names = set(map(name_of, PLANTED))
        kept = {name: test for name, test in sorted(known.items()) if name in names}
        SEEN.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(chosen) - len(unseen)} of {len(chosen)} planted bugs seen")
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
