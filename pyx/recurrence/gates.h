/* The functions of gates, on vectors; both within a few units in the last place wherever they aren't next to 0 for the
 * type. What isn't a number stays so. Included by cells.h once for each kind of number. */

/* exp(x) - 1 for abs(x) <= MOST, and 2^n, n = the nearest integer to x / log(2) */
FC_INLINE VEC NAME(grown)(VEC x, VEC* scale)
{
    const VEC magic = V(splat)(CONSTANT(MAGIC)), one = V(splat)((REAL)1);
    const VEC shifted = x * V(splat)((REAL)1.4426950408889634) + magic;
    const VEC n = shifted - magic;
    VEC r = x - n * V(splat)(CONSTANT(LN2_HIGH));
    r = r - n * V(splat)(CONSTANT(LN2_LOW));
    *scale = V(from_bits)(V(bits)(one) + (V(bits)(shifted) << MANTISSA));
    return V(series)(r) * r;
}

/* x between -most and most, or NaN: the second operand of a maximum is what comes out where one isn't a number */
FC_INLINE VEC NAME(clamped)(VEC x, REAL most)
{
    return -V(max)(V(splat)(-most), -V(max)(V(splat)(-most), x));
}

/* a / b for positive b that 1 / b isn't too small for */
FC_INLINE VEC NAME(divided)(VEC a, VEC b)
{
#if FC_BYTES == 64 && MANTISSA == 23
    /* A quarter of what the division costs: Newton's step from 14 bits, then what is missing. */
    const VEC one = V(splat)(1.0f);
    VEC inverse = (VEC)_mm512_rcp14_ps((__m512)b), quotient;
    inverse = inverse + inverse * (one - b * inverse);
    quotient = a * inverse;
    return quotient + inverse * (a - b * quotient);
#else
    return a / b;
#endif
}

FC_INLINE VEC NAME(sigmoid)(VEC x)
{
    const VEC one = V(splat)((REAL)1);
    VEC scale;
    const VEC rest = NAME(grown)(-NAME(clamped)(x, MOST), &scale);
    return NAME(divided)(one, one + (scale + scale * rest));
}

/* e / (e + 2) with e = exp(2 x) - 1, which keeps its figures near 0 */
FC_INLINE VEC NAME(hyperbolic)(VEC x)
{
    const VEC one = V(splat)((REAL)1);
    VEC scale, e;
    const VEC rest = NAME(grown)(NAME(clamped)(x + x, LIMIT), &scale);
    e = scale * rest + (scale - one);
    return NAME(divided)(e, e + (one + one));
}

FC_INLINE VEC NAME(rectified)(VEC x) { return V(max)(V(splat)((REAL)0), x); }

/* x where test > 0, else 0 */
FC_INLINE VEC NAME(where_positive)(VEC x, VEC test)
{
#if FC_BYTES > 8
    return V(from_bits)(V(bits)(x) & (INT)(test > V(splat)((REAL)0)));
#else
    return test > 0 ? x : 0;
#endif
}
