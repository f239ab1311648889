# What a program can give while its frame lies between two others: intervals that hold every value, for bounds of rates
# that depend on the time. Rounding keeps the order of numbers, so arithmetic on ends holds what arithmetic inside
# gives; functions whose last bits don't are widened. Whatever may be NaN is the whole line.
from libc.math cimport (
    INFINITY, acos, asin, atan, ceil, cos, cosh, exp, fabs, floor, log, log10, pow, sin, sinh, sqrt, tan, tanh,
)

from _programs cimport (
    ABSOLUTE, ACOS, ADD, AND, ASIN, ATAN, CEIL, CHOOSE, COPY, COS, COSH, DIVIDE, EQUAL, EXP, FLOOR, LESS, LESS_EQUAL,
    LOG, LOG10, MAXIMUM, MINIMUM, MULTIPLY, NEGATIVE, NOT, NOT_EQUAL, OR, POWER, SIN, SINH, SQRT, SUBTRACT, TAN, TANH,
    Instruction,
)

cdef struct Interval:
    double low
    double high


cdef inline Interval between(double low, double high) noexcept nogil:
    # The whole line if an end is no number.
    cdef Interval r
    r.low, r.high = low, high
    if not low <= high:
        r.low, r.high = -INFINITY, INFINITY
    return r


cdef inline Interval anything() noexcept nogil:
    return between(-INFINITY, INFINITY)


cdef inline Interval widened(double p, double q) noexcept nogil:
    cdef double low = min(p, q), high = max(p, q)
    if p != p or q != q:
        return anything()
    return between(low - fabs(low) * 8.881784197001252e-16, high + fabs(high) * 8.881784197001252e-16)


cdef inline Interval spanned(double p, double q, double r, double s) noexcept nogil:
    # The corners of what is monotone in both operands.
    if p != p or q != q or r != r or s != s:
        return anything()
    return between(min(min(p, q), min(r, s)), max(max(p, q), max(r, s)))


cdef inline bint passes(Interval a, double at, double period) noexcept nogil:
    # Whether one of the points `at` + k `period` lies inside, or nearly.
    cdef double slack = 1e-9 + 1e-15 * max(fabs(a.low), fabs(a.high))
    return ceil((a.low - at) / period - slack) <= (a.high - at) / period + slack


cdef inline Interval wave(Interval a, double at_low, double at_high, double top) noexcept nogil:
    # sin or cos, whose values at the ends are given; the tops lie at `top` + 2 k pi.
    cdef Interval r = widened(at_low, at_high)
    if r.low < -1.0 or passes(a, top - 3.141592653589793, 6.283185307179586):
        r.low = -1.0
    if r.high > 1.0 or passes(a, top, 6.283185307179586):
        r.high = 1.0
    return r


cdef inline Interval power(Interval a, Interval b) noexcept nogil:
    cdef double p, q
    if a.low > 0 or a.low == 0 and b.low >= 0:
        p = pow(a.low, b.low)
        q = pow(a.low, b.high)
        a = spanned(p, q, pow(a.high, b.low), pow(a.high, b.high))
        return widened(a.low, a.high)
    if b.low != b.high or floor(b.low) != b.low or a.high >= 0 and b.low < 0:
        return anything()
    p = pow(a.low, b.low)
    q = pow(a.high, b.low)
    if a.high >= 0 and 2.0 * floor(0.5 * b.low) == b.low:
        return widened(min(0.0, p), max(p, q))
    return widened(p, q)


cdef inline int truth(Interval a) noexcept nogil:
    # 1 if it holds, 0 if it doesn't, -1 if it may.
    if a.low > 0 or a.high < 0:
        return 1
    return 0 if a.low == 0 and a.high == 0 else -1


cdef inline Interval said_to_hold(int holds) noexcept nogil:
    return between(0.0, 1.0) if holds < 0 else between(holds, holds)


cdef inline Interval logical(int op, Interval a, Interval b) noexcept nogil:
    cdef int first, second
    if op == LESS:
        return said_to_hold(1 if a.high < b.low else 0 if a.low >= b.high else -1)
    if op == LESS_EQUAL:
        return said_to_hold(1 if a.high <= b.low else 0 if a.low > b.high else -1)
    if op == EQUAL or op == NOT_EQUAL:
        if a.high < b.low or b.high < a.low:
            return said_to_hold(op == NOT_EQUAL)
        return said_to_hold(op == EQUAL if a.low == a.high and b.low == b.high else -1)
    first = truth(a)
    if op == NOT:
        return said_to_hold(1 - first if first >= 0 else -1)
    second = truth(b)
    if op == AND:
        return said_to_hold(0 if first == 0 or second == 0 else 1 if first > 0 and second > 0 else -1)
    return said_to_hold(1 if first > 0 or second > 0 else 0 if first == 0 and second == 0 else -1)


cdef inline Interval arithmetic(int op, Interval a, Interval b, bint same) noexcept nogil:
    if op == COPY:
        return a
    if op == NEGATIVE:
        return between(-a.high, -a.low)
    if op == ADD:
        return between(a.low + b.low, a.high + b.high)
    if op == SUBTRACT:
        return between(a.low - b.high, a.high - b.low)
    if op == MULTIPLY and same and a.low < 0:
        return between(a.high * a.high if a.high < 0 else 0.0, max(a.low * a.low, a.high * a.high))
    if op == MULTIPLY:
        return spanned(a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high)
    if op == DIVIDE:
        if b.low <= 0 <= b.high:
            return anything()
        return spanned(a.low / b.low, a.low / b.high, a.high / b.low, a.high / b.high)
    if op == POWER:
        return power(a, b)
    if op == MINIMUM:
        return between(min(a.low, b.low), min(a.high, b.high))
    return between(max(a.low, b.low), max(a.high, b.high))


cdef inline Interval applied(int op, Interval a) noexcept nogil:
    # Functions of one argument.
    if op == FLOOR:
        return between(floor(a.low), floor(a.high))
    if op == CEIL:
        return between(ceil(a.low), ceil(a.high))
    if op == EXP:
        return widened(exp(a.low), exp(a.high))
    if op == ATAN:
        return widened(atan(a.low), atan(a.high))
    if op == SINH:
        return widened(sinh(a.low), sinh(a.high))
    if op == TANH:
        return widened(tanh(a.low), tanh(a.high))
    if op == ABSOLUTE or op == COSH:
        a = between(max(0.0, max(a.low, -a.high)), max(-a.low, a.high))
        return a if op == ABSOLUTE else widened(cosh(a.low), cosh(a.high))
    if op == SQRT or op == LOG or op == LOG10:
        if a.low < 0:
            return anything()
        if op == SQRT:
            return between(sqrt(a.low), sqrt(a.high))
        return widened(log(a.low), log(a.high)) if op == LOG else widened(log10(a.low), log10(a.high))
    if op == ASIN or op == ACOS:
        if a.low < -1 or a.high > 1:
            return anything()
        return widened(asin(a.low), asin(a.high)) if op == ASIN else widened(acos(a.high), acos(a.low))
    if a.low == -INFINITY or a.high == INFINITY:
        return anything()
    if op == SIN:
        return wave(a, sin(a.low), sin(a.high), 1.5707963267948966)
    if op == COS:
        return wave(a, cos(a.low), cos(a.high), 0.0)
    if passes(a, 1.5707963267948966, 3.141592653589793):
        return anything()
    return widened(tan(a.low), tan(a.high))


cdef inline Interval enclosed(
    const Instruction* code, Py_ssize_t n, double* low, double* high, Py_ssize_t first
) noexcept nogil:
    # What the last result of a program lies in.
    cdef Interval a, b, c, r = anything()
    cdef Py_ssize_t i
    cdef int op, holds
    for i in range(n):
        op = code[i].op
        a = between(low[code[i].a], high[code[i].a])
        b = between(low[code[i].b], high[code[i].b])
        if op == CHOOSE:
            c = between(low[code[i].c], high[code[i].c])
            holds = truth(a)
            r = b if holds == 1 else c if holds == 0 else between(min(b.low, c.low), max(b.high, c.high))
        elif a.low == -INFINITY and a.high == INFINITY or b.low == -INFINITY and b.high == INFINITY:
            r = between(0.0, 1.0) if LESS <= op <= NOT else anything()
        elif LESS <= op <= NOT:
            r = logical(op, a, b)
        elif op <= MAXIMUM:
            r = arithmetic(op, a, b, code[i].a == code[i].b)
        else:
            r = applied(op, a)
        low[first + i] = r.low
        high[first + i] = r.high
    return r
