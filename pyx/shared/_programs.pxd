# Rates as flat programs (fastcore/_programs.py): values, and exact derivatives by forward differentiation. The frame
# holds amounts, the time, constants, and from `first` on the results of the instructions.
from libc.math cimport acos, asin, atan, ceil, cos, cosh, exp, fabs, floor, log, log10, pow, sin, sinh, sqrt, tan, tanh
from libc.stdint cimport int32_t

cdef enum:
    COPY = 0
    NEGATIVE = 1
    ADD = 2
    SUBTRACT = 3
    MULTIPLY = 4
    DIVIDE = 5
    POWER = 6
    MINIMUM = 7
    MAXIMUM = 8
    LESS = 9
    LESS_EQUAL = 10
    EQUAL = 11
    NOT_EQUAL = 12
    AND = 13
    OR = 14
    NOT = 15
    CHOOSE = 16
    ABSOLUTE = 17
    FLOOR = 18
    CEIL = 19
    SQRT = 20
    EXP = 21
    LOG = 22
    LOG10 = 23
    SIN = 24
    COS = 25
    TAN = 26
    ASIN = 27
    ACOS = 28
    ATAN = 29
    SINH = 30
    COSH = 31
    TANH = 32

cdef struct Instruction:
    int32_t op
    int32_t a
    int32_t b
    int32_t c


cdef inline double evaluated(const Instruction* code, Py_ssize_t n, double* frame, Py_ssize_t first) noexcept nogil:
    # The last result of a program.
    cdef double a, b, r = 0.0
    cdef int32_t op
    cdef Py_ssize_t i
    cdef double* results = frame + first
    for i in range(n):
        op = code[i].op
        a = frame[code[i].a]
        b = frame[code[i].b]
        if op == COPY:
            r = a
        elif op == NEGATIVE:
            r = -a
        elif op == ADD:
            r = a + b
        elif op == SUBTRACT:
            r = a - b
        elif op == MULTIPLY:
            r = a * b
        elif op == DIVIDE:
            r = a / b
        elif op == POWER:
            r = pow(a, b)
        elif op == MINIMUM:
            r = a if a <= b or a != a else b
        elif op == MAXIMUM:
            r = a if a >= b or a != a else b
        elif op == LESS:
            r = a < b
        elif op == LESS_EQUAL:
            r = a <= b
        elif op == EQUAL:
            r = a == b
        elif op == NOT_EQUAL:
            r = a != b
        elif op == AND:
            r = a != 0 and b != 0
        elif op == OR:
            r = a != 0 or b != 0
        elif op == NOT:
            r = a == 0
        elif op == CHOOSE:
            r = b if a != 0 else frame[code[i].c]
        elif op == ABSOLUTE:
            r = fabs(a)
        elif op == FLOOR:
            r = floor(a)
        elif op == CEIL:
            r = ceil(a)
        elif op == SQRT:
            r = sqrt(a)
        elif op == EXP:
            r = exp(a)
        elif op == LOG:
            r = log(a)
        elif op == LOG10:
            r = log10(a)
        elif op == SIN:
            r = sin(a)
        elif op == COS:
            r = cos(a)
        elif op == TAN:
            r = tan(a)
        elif op == ASIN:
            r = asin(a)
        elif op == ACOS:
            r = acos(a)
        elif op == ATAN:
            r = atan(a)
        elif op == SINH:
            r = sinh(a)
        elif op == COSH:
            r = cosh(a)
        elif op == TANH:
            r = tanh(a)
        results[i] = r
    return r


cdef struct Partials:
    double a
    double b
    double aa
    double ab
    double bb


cdef inline Partials partials(int32_t op, double a, double b, double r) noexcept nogil:
    # Derivatives of an operation with value r; steps have none.
    cdef Partials f
    cdef double part
    f.a = f.b = f.aa = f.ab = f.bb = 0.0
    if op == COPY:
        f.a = 1.0
    elif op == NEGATIVE:
        f.a = -1.0
    elif op == ADD:
        f.a = f.b = 1.0
    elif op == SUBTRACT:
        f.a = 1.0
        f.b = -1.0
    elif op == MULTIPLY:
        f.a = b
        f.b = a
        f.ab = 1.0
    elif op == DIVIDE:
        part = 1.0 / b
        f.a = part
        f.b = -r * part
        f.ab = -part * part
        f.bb = 2.0 * r * part * part
    elif op == POWER:
        part = log(a)
        if b != 0.0:
            f.a = b * pow(a, b - 1.0)
            if b != 1.0:
                f.aa = b * (b - 1.0) * pow(a, b - 2.0)
        if a != 0.0 or b <= 0.0:  # 0 to any power above 0 is 0
            f.b = r * part
            f.bb = r * part * part
        if a != 0.0 or b < 1.0:  # infinite for a power of 1, but stiff methods want a number
            f.ab = pow(a, b - 1.0) * (1.0 + b * part)
    elif op == MINIMUM:
        f.a = a <= b or a != a
        f.b = 1.0 - f.a
    elif op == MAXIMUM:
        f.a = a >= b or a != a
        f.b = 1.0 - f.a
    elif op == ABSOLUTE:
        f.a = <double>(a > 0) - <double>(a < 0)
    elif op == SQRT:
        f.a = 0.5 / r
        f.aa = -0.5 * f.a / a
    elif op == EXP:
        f.a = f.aa = r
    elif op == LOG:
        f.a = 1.0 / a
        f.aa = -f.a * f.a
    elif op == LOG10:
        part = 1.0 / a
        f.a = part / log(10.0)
        f.aa = -part * part / log(10.0)
    elif op == SIN:
        f.a = cos(a)
        f.aa = -r
    elif op == COS:
        f.a = -sin(a)
        f.aa = -r
    elif op == TAN:
        f.a = 1.0 + r * r
        f.aa = 2.0 * r * f.a
    elif op == ASIN or op == ACOS:
        f.a = 1.0 / sqrt(1.0 - a * a)
        if op == ACOS:
            f.a = -f.a
        f.aa = a * f.a * f.a * f.a
    elif op == ATAN:
        f.a = 1.0 / (1.0 + a * a)
        f.aa = -2.0 * a * f.a * f.a
    elif op == SINH:
        f.a = cosh(a)
        f.aa = r
    elif op == COSH:
        f.a = sinh(a)
        f.aa = r
    elif op == TANH:
        f.a = 1.0 - r * r
        f.aa = -2.0 * r * f.a
    return f


cdef inline double times(double slope, double x) noexcept nogil:
    # 0 wins, also over what is infinite or NaN: the slope of what isn't chosen, or doesn't move.
    return 0.0 if slope == 0.0 or x == 0.0 else slope * x


cdef inline double twice(double slope, double x, double y) noexcept nogil:
    return 0.0 if slope == 0.0 or x == 0.0 or y == 0.0 else slope * x * y


cdef inline void differentiated(
    const Instruction* code, Py_ssize_t n, const double* frame, double* one, double* two, double* both,
    Py_ssize_t first,
) noexcept nogil:
    # Derivatives of an evaluated program along two directions and along both, at its results; without `two`, the
    # first alone.
    cdef Py_ssize_t i, at, chosen
    cdef int32_t a, b
    cdef Partials f
    for i in range(n):
        at = first + i
        a = code[i].a
        b = code[i].b
        if code[i].op == CHOOSE:
            chosen = b if frame[a] != 0 else code[i].c
            one[at] = one[chosen]
            if two != NULL:
                two[at] = two[chosen]
                both[at] = both[chosen]
            continue
        f = partials(code[i].op, frame[a], frame[b], frame[at])
        one[at] = times(f.a, one[a]) + times(f.b, one[b])
        if two != NULL:
            two[at] = times(f.a, two[a]) + times(f.b, two[b])
            both[at] = times(f.a, both[a]) + times(f.b, both[b])
            both[at] += twice(f.aa, one[a], two[a]) + twice(f.bb, one[b], two[b])
            both[at] += twice(f.ab, one[a], two[b]) + twice(f.ab, one[b], two[a])
