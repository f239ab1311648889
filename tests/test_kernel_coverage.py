"""The script that maps the compiler's counters to lines of the kernels."""

from __future__ import annotations

from .kernel_coverage import Counts, add, ranges, statements, table

GENERATED = """\
static int shared(void);
  /* "pyx/a/a.pyx":7
 * def f(x):             # <<<<<<<<<<<<<<
*/
/* Python wrapper */
static PyObject *wrapper(void) {
}
  /* "pyx/a/a.pyx":8
 *     y = x + 1             # <<<<<<<<<<<<<<
*/
  y = x + 1;
  again();
  /* "_b.pxd":3
 *     return y             # <<<<<<<<<<<<<<
*/
  return y;
  /* function exit code */
  goto out;
""".splitlines()
SOURCES = {"a.pyx": "pyx/a/a.pyx", "_b.pxd": "pyx/shared/_b.pxd", "a.h": "pyx/a/a.h"}


def report(counts: dict[int, int], function: str = "__pyx_pf_f") -> dict:
    lines = [{"line_number": n, "count": count, "function_name": function} for n, count in counts.items()]
    header = [{"line_number": 5, "count": 2}, {"line_number": 6, "count": 0}]
    system = {"file": "/usr/include/stdio.h", "lines": [{"line_number": 1, "count": 1}]}
    return {"files": [{"file": "build/a.c", "lines": lines}, {"file": "build/a.h", "lines": header}, system]}


def test_each_line_of_c_belongs_to_the_statement_before_it():
    found = list(statements(GENERATED))
    assert found[0] is None
    assert found[5] is None, "what Cython adds for itself is nobody's"
    assert found[10] == found[11] == ("pyx/a/a.pyx", 8)
    assert found[15] == ("_b.pxd", 3)
    assert found[17] is None


def test_counters_are_added_by_line_of_source():
    counts: Counts = {}
    for times in (0, 3):
        add(counts, report({6: 9, 11: times, 12: 0, 16: 0, 18: 9}), "build/a.c", GENERATED, SOURCES)
    assert counts == {
        ("pyx/a/a.pyx", 8, ""): 3,
        ("pyx/shared/_b.pxd", 3, ""): 0,
        ("pyx/a/a.h", 5, ""): 4,
        ("pyx/a/a.h", 6, ""): 0,
    }


def test_specialisations_count_apart():
    counts: Counts = {}
    add(counts, report({11: 1}, "__pyx_fuse_0__pyx_f_1a_f"), "build/a.c", GENERATED, SOURCES)
    add(counts, report({11: 0}, "__pyx_fuse_1_0__pyx_f_1a_f"), "build/a.c", GENERATED, SOURCES)
    assert counts["pyx/a/a.pyx", 8, "0"] == 1
    assert counts["pyx/a/a.pyx", 8, "1_0"] == 0
    assert [line.split() for line in table(counts) if "pyx/a/a.pyx" in line] == [
        ["pyx/a/a.pyx", "2", "50.0%", "[1_0]", "8"],
    ]


def test_ranges():
    assert ranges([]) == ""
    assert ranges([1, 2, 3, 5, 7, 8]) == "1-3, 5, 7-8"
