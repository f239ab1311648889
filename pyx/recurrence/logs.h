/* Scans of logarithms in floats and in doubles: logsteps.h twice. */
#ifndef FASTCORE_LOGS_H
#define FASTCORE_LOGS_H

#include "pace.h"
#include "simd.h"

enum { SIDE = 4 /* vectors that step together, so that none waits for the one before */ };

/* (atanh(s) / s - 1) / s^2 where z = s^2 is at most 1/9, by what Chebyshev's points give */
FC_INLINE fc_vec fc_atanh_rest(fc_vec z)
{
    fc_vec p = fc_splat(0.08082502745815251);
    p = p * z + fc_splat(0.04400141890235415);
    p = p * z + fc_splat(0.06000581161056082);
    p = p * z + fc_splat(0.06657067367062312);
    p = p * z + fc_splat(0.07692785323919454);
    p = p * z + fc_splat(0.09090894707562275);
    p = p * z + fc_splat(0.11111111358926544);
    p = p * z + fc_splat(0.142857142835522);
    p = p * z + fc_splat(0.200000000000073);
    p = p * z + fc_splat(0.3333333333333333);
    return p;
}

FC_INLINE fs_vec fs_atanh_rest(fs_vec z)
{
    fs_vec p = fs_splat(0.11612461f);
    p = p * z + fs_splat(0.1085323f);
    p = p * z + fs_splat(0.14296183f);
    p = p * z + fs_splat(0.19999853f);
    p = p * z + fs_splat(0.33333334f);
    return p;
}

#define BITS 32
#include "precision.h"
#define SIGN 0x80000000u
#include "logsteps.h"
#undef BITS
#undef SIGN

#define BITS 64
#include "precision.h"
#define SIGN 0x8000000000000000u
#include "logsteps.h"

#endif
