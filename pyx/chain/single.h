/* The forward recursion of scaled.h and lanes.h in single precision, for sums over paths of float32 scores: twice as many
 * elements in a vector. What runs along (row maxima, counted twos) is in double precision, so that rounding doesn't grow
 * with the length: a step adds about 1e-7.
 *
 * A float holds e^-87, so this is only done where the transitions are finite and span at most 17. Between two
 * rescalings a column's largest variable falls by that span a step at most, as some label's weight is 1; what has become
 * zero is then e^-35 of all paths at most, by the same argument as in scaled.h. */
#ifndef FASTCORE_CHAIN_SINGLE_H
#define FASTCORE_CHAIN_SINGLE_H

#include "lanes.h"

#if FC_BYTES > 8
typedef float fs_vec __attribute__((vector_size(FC_BYTES), may_alias));
typedef float fs_loose __attribute__((vector_size(FC_BYTES), may_alias, aligned(4)));
typedef uint32_t fs_int __attribute__((vector_size(FC_BYTES), may_alias));
enum { FS_W = FC_BYTES / 4 };
#else
typedef float fs_vec;
typedef float fs_loose;
typedef uint32_t fs_int;
enum { FS_W = 1 };
#endif

#define FS_ROOM 52.0 /* that of e^-87 less what may be lost: for the spans of the steps between rescalings and two more */

typedef struct {
    ptrdiff_t padded;   /* labels rounded up to whole vectors of floats */
    float* exp_trans;   /* (labels, padded) exp(transitions - top), zeros beyond labels */
    float* start;
    float* end;
    int every;          /* steps between two rescalings */
    int usable;
} FsModel;

typedef struct {
    const char* rows[FS_W]; /* as in FcGroup */
    ptrdiff_t length[FS_W];
    ptrdiff_t longest, shortest;
    double shift[FS_W], total[FS_W], rest[FS_W], twos[FS_W], sum[FS_W];
    FcScale done[FS_W];
} FsGroup;

FC_INLINE fs_vec fs_load(const float* p) { return *(const fs_loose*)p; }
FC_INLINE void fs_store(float* p, fs_vec x) { *(fs_loose*)p = x; }
FC_INLINE fs_int fs_bits(fs_vec x) { fs_int r; memcpy(&r, &x, sizeof r); return r; }
FC_INLINE fs_vec fs_from_bits(fs_int x) { fs_vec r; memcpy(&r, &x, sizeof r); return r; }
FC_INLINE fs_vec fs_splat(float x) { fs_vec zero = {0}; return zero + x; }

FC_INLINE fs_vec fs_max(fs_vec a, fs_vec b)
{
#if FC_BYTES == 64
    return _mm512_max_ps(a, b);
#elif FC_BYTES == 32
    return _mm256_max_ps(a, b);
#elif FC_BYTES == 16 && defined(__SSE2__)
    return _mm_max_ps(a, b);
#elif FC_BYTES == 16
    fs_int above = (fs_int)(a > b);
    return fs_from_bits((above & fs_bits(a)) | (~above & fs_bits(b)));
#else
    return a > b ? a : b;
#endif
}

/* exp(x) for x <= 0, as fc_exp does it; 0 below -86 */
FC_INLINE fs_vec fs_exp(fs_vec x)
{
    const fs_vec least = fs_splat(-86.0f), magic = fs_splat(12582912.0f);
    const fs_vec clamped = fs_max(x, least);
    const fs_vec shifted = clamped * fs_splat(1.44269504f) + magic;
    const fs_vec n = shifted - magic;
    fs_vec r = clamped - n * fs_splat(0.693359375f), p;
    r = r - n * fs_splat(-2.12194440e-4f);
    p = fs_splat(0.0013926183587713494f);
    p = p * r + fs_splat(0.008363179052722578f);
    p = p * r + fs_splat(0.041666554617204574f);
    p = p * r + fs_splat(0.16666576989698775f);
    p = p * r + fs_splat(0.5f);
    p = p * r + fs_splat(1.0f);
    p = p * r + fs_splat(1.0f);
#if FC_BYTES == 64
    return (fs_vec)_mm512_maskz_add_epi32(_mm512_cmp_ps_mask(x, least, _CMP_GE_OQ), (__m512i)p,
                                          _mm512_slli_epi32((__m512i)shifted, 23));
#elif FC_BYTES > 8
    return fs_from_bits((fs_bits(p) + (fs_bits(shifted) << 23)) & (fs_int)(x >= least));
#else
    return x >= least ? fs_from_bits(fs_bits(p) + (fs_bits(shifted) << 23)) : 0.0f;
#endif
}

/* The power of two that brings x > 0 into [1, 2), and in *exponent the twos taken out, and 127 */
FC_INLINE fs_vec fs_rescale(fs_vec x, fs_int* exponent)
{
    *exponent = (fs_bits(x) >> 23) & 0xff;
    return fs_from_bits((254 - *exponent) << 23);
}

/* The tables, out of the doubles': memory for labels * padded + 2 * labels floats. */
static void fs_model(FsModel* single, const FcModel* model, double span, float* memory)
{
    const ptrdiff_t L = model->labels, P = (L + FS_W - 1) / FS_W * FS_W;
    const double steps = FS_ROOM / (span > 1.0 ? span : 1.0) - 2.0, most = 70.0 / log(L + 1.0);
    ptrdiff_t i, j;
    single->padded = P;
    single->exp_trans = memory;
    single->start = memory + L * P;
    single->end = single->start + L;
    /* Between rescalings a variable may also grow by the number of labels a step. */
    single->every = (int)(steps < most ? steps : most);
    single->every = single->every > 8 ? 8 : single->every;
    single->usable = !model->watched && single->every >= 1;
    for (i = 0; i < L; i++) {
        for (j = 0; j < P; j++)
            memory[i * P + j] = j < L ? (float)model->exp_trans[i * model->padded + j] : 0.0f;
        single->start[i] = (float)model->start[i];
        single->end[i] = (float)model->end[i];
    }
}

FC_INLINE void fs_scores(const FcModel* model, const FsModel* single, const char* emissions, ptrdiff_t t,
                         ptrdiff_t length, ptrdiff_t stride, float* out)
{
    const ptrdiff_t L = model->labels;
    const float* row = (const float*)emissions + t * L;
    ptrdiff_t j;
    for (j = 0; j < L; j++) {
        float score = row[j];
        if (t == 0)
            score += single->start[j];
        if (t == length - 1)
            score += single->end[j];
        out[j * stride] = score;
    }
}

FC_INLINE void fs_carry(double* shift, double* total, double* rest)
{
    fc_add_one(total, rest, *shift);
    *shift = 0.0;
}

/* ---- one sequence ---- */

FC_INLINE float fs_horizontal_max(const float* row, ptrdiff_t padded, float least)
{
    float parts[FS_W], top;
    fs_vec most = fs_splat(least);
    ptrdiff_t j;
    int k;
    for (j = 0; j < padded; j += FS_W)
        most = fs_max(fs_load(row + j), most);
    fs_store(parts, most);
    top = parts[0];
    for (k = 1; k < FS_W; k++)
        top = parts[k] > top ? parts[k] : top;
    return top;
}

/* Forward from step t0 to before t1; alpha: the last two columns in turn, then room for the weights. */
static void fs_row_forward(const FcModel* model, const FsModel* single, const char* emissions, ptrdiff_t length,
                           ptrdiff_t t0, ptrdiff_t t1, float* alpha, FcScale* scale)
{
    const ptrdiff_t L = model->labels, P = single->padded;
    float* w = alpha + 2 * P;
    ptrdiff_t t, i, j;
    for (t = t0; t < t1; t++) {
        float* a = alpha + (t & 1) * P;
        const float* last = alpha + (~t & 1) * P;
        float top;
        fs_scores(model, single, emissions, t, length, 1, w);
        for (j = L; j < P; j++)
            w[j] = -INFINITY;
        top = fs_horizontal_max(w, P, -FLT_MAX);
        scale->shift += top;
        for (j = 0; j < P; j += FS_W) {
            const fs_vec weight = fs_exp(fs_load(w + j) - top);
            fs_vec sum = weight;
            if (t > 0) {
                sum = fs_splat(last[0]) * fs_load(single->exp_trans + j);
                for (i = 1; i < L; i++)
                    sum += fs_splat(last[i]) * fs_load(single->exp_trans + i * P + j);
                sum *= weight;
            }
            fs_store(a + j, sum);
        }
        if (t % single->every == 0) {
            fs_int exponent;
            uint32_t twos;
            const fs_vec factor = fs_rescale(fs_splat(fs_horizontal_max(a, P, 0.0f)), &exponent);
            memcpy(&twos, &exponent, sizeof twos);
            scale->twos += (double)twos - 127.0;
            for (j = 0; j < P; j += FS_W)
                fs_store(a + j, fs_load(a + j) * factor);
        }
        if (FC_CARRY(t))
            fs_carry(&scale->shift, &scale->total, &scale->rest);
    }
}

static double fs_sum(const float* column, ptrdiff_t labels, ptrdiff_t stride)
{
    double sum = 0.0;
    ptrdiff_t j;
    for (j = 0; j < labels; j++)
        sum += column[j * stride];
    return sum;
}

/* ---- FS_W sequences ---- */

static void fs_group_start(FsGroup* group)
{
    int k;
    for (k = 0; k < FS_W; k++)
        group->shift[k] = group->total[k] = group->rest[k] = group->twos[k] = group->sum[k] = 0.0;
}

/* out[i * FS_W + k] is number at + i of row k, for i < FS_W */
FC_INLINE void fs_transpose(const char* const* rows, ptrdiff_t at, float* out)
{
    int k;
#if FC_BYTES == 64
    __m512 a[16], b[16];
    for (k = 0; k < 16; k += 2) {
        const __m512 x = _mm512_loadu_ps((const float*)rows[k] + at), y = _mm512_loadu_ps((const float*)rows[k + 1] + at);
        a[k] = _mm512_unpacklo_ps(x, y);
        a[k + 1] = _mm512_unpackhi_ps(x, y);
    }
    for (k = 0; k < 16; k += 4) {
        b[k] = (__m512)_mm512_unpacklo_pd((__m512d)a[k], (__m512d)a[k + 2]);
        b[k + 1] = (__m512)_mm512_unpackhi_pd((__m512d)a[k], (__m512d)a[k + 2]);
        b[k + 2] = (__m512)_mm512_unpacklo_pd((__m512d)a[k + 1], (__m512d)a[k + 3]);
        b[k + 3] = (__m512)_mm512_unpackhi_pd((__m512d)a[k + 1], (__m512d)a[k + 3]);
    }
    for (k = 0; k < 4; k++) {
        const __m512 even = _mm512_shuffle_f32x4(b[k], b[k + 4], 0x88), odd = _mm512_shuffle_f32x4(b[k], b[k + 4], 0xdd);
        const __m512 other_even = _mm512_shuffle_f32x4(b[k + 8], b[k + 12], 0x88);
        const __m512 other_odd = _mm512_shuffle_f32x4(b[k + 8], b[k + 12], 0xdd);
        fs_store(out + k * 16, _mm512_shuffle_f32x4(even, other_even, 0x88));
        fs_store(out + (k + 4) * 16, _mm512_shuffle_f32x4(odd, other_odd, 0x88));
        fs_store(out + (k + 8) * 16, _mm512_shuffle_f32x4(even, other_even, 0xdd));
        fs_store(out + (k + 12) * 16, _mm512_shuffle_f32x4(odd, other_odd, 0xdd));
    }
#elif FC_BYTES == 32
    __m256 a[8], b[8];
    for (k = 0; k < 8; k += 2) {
        const __m256 x = _mm256_loadu_ps((const float*)rows[k] + at), y = _mm256_loadu_ps((const float*)rows[k + 1] + at);
        a[k] = _mm256_unpacklo_ps(x, y);
        a[k + 1] = _mm256_unpackhi_ps(x, y);
    }
    for (k = 0; k < 8; k += 4) {
        b[k] = (__m256)_mm256_unpacklo_pd((__m256d)a[k], (__m256d)a[k + 2]);
        b[k + 1] = (__m256)_mm256_unpackhi_pd((__m256d)a[k], (__m256d)a[k + 2]);
        b[k + 2] = (__m256)_mm256_unpacklo_pd((__m256d)a[k + 1], (__m256d)a[k + 3]);
        b[k + 3] = (__m256)_mm256_unpackhi_pd((__m256d)a[k + 1], (__m256d)a[k + 3]);
    }
    for (k = 0; k < 4; k++) {
        fs_store(out + k * 8, _mm256_permute2f128_ps(b[k], b[k + 4], 0x20));
        fs_store(out + (k + 4) * 8, _mm256_permute2f128_ps(b[k], b[k + 4], 0x31));
    }
#elif FC_BYTES == 16 && defined(__SSE2__)
    __m128 a[4];
    for (k = 0; k < 4; k++)
        a[k] = _mm_loadu_ps((const float*)rows[k] + at);
    _MM_TRANSPOSE4_PS(a[0], a[1], a[2], a[3]);
    for (k = 0; k < 4; k++)
        fs_store(out + k * 4, a[k]);
#else
    int i;
    for (i = 0; i < FS_W; i++)
        for (k = 0; k < FS_W; k++)
            out[i * FS_W + k] = ((const float*)rows[k])[at + i];
#endif
}

/* Scores of steps t0 to before t1, (steps, labels, FS_W) */
static void fs_lane_rows(const FcModel* model, const FsModel* single, const FsGroup* group, ptrdiff_t t0, ptrdiff_t t1,
                         float* out)
{
    const ptrdiff_t L = model->labels, C = L * FS_W, whole = t1 < group->shortest - 1 ? t1 : group->shortest - 1;
    ptrdiff_t t = t0, i = 0;
    int k;
    if (whole > t0) {
        const ptrdiff_t at = t0 * L, n = (whole - t0) * L;
        for (; i + FS_W <= n; i += FS_W)
            fs_transpose(group->rows, at + i, out + i * FS_W);
        for (; i < n; i++)
            for (k = 0; k < FS_W; k++)
                out[i * FS_W + k] = ((const float*)group->rows[k])[at + i];
        if (t0 == 0)
            for (i = 0; i < L; i++)
                fs_store(out + i * FS_W, fs_load(out + i * FS_W) + single->start[i]);
        t = whole;
    }
    for (; t < t1; t++)
        for (k = 0; k < FS_W; k++)
            if (t < group->length[k])
                fs_scores(model, single, group->rows[k], t, group->length[k], FS_W, out + (t - t0) * C + k);
            else
                for (i = 0; i < L; i++)
                    out[(t - t0) * C + i * FS_W + k] = 0.0f;
}

FC_INLINE fs_vec fs_lane_max(const float* column, ptrdiff_t L, fs_vec least)
{
    fs_vec most = least, other = least;
    ptrdiff_t j = 0;
    for (; j + 2 <= L; j += 2) {
        most = fs_max(fs_load(column + j * FS_W), most);
        other = fs_max(fs_load(column + (j + 1) * FS_W), other);
    }
    if (j < L)
        most = fs_max(fs_load(column + j * FS_W), most);
    return fs_max(most, other);
}

FC_INLINE void fs_lane_columns(const int n, const float* in, const float* table, ptrdiff_t L, ptrdiff_t P,
                               const float* factors, float* out)
{
    fs_vec sums[8];
    ptrdiff_t i;
    int j;
    FC_UNROLL for (j = 0; j < n; j++)
        sums[j] = fs_load(in) * table[j];
    for (i = 1; i < L; i++) {
        const fs_vec x = fs_load(in + i * FS_W);
        const float* e = table + i * P;
        FC_UNROLL for (j = 0; j < n; j++)
            sums[j] += x * e[j];
    }
    FC_UNROLL for (j = 0; j < n; j++)
        fs_store(out + j * FS_W, sums[j] * fs_load(factors + j * FS_W));
}

FC_INLINE void fs_lane_product(const float* in, const float* table, ptrdiff_t L, ptrdiff_t P, const float* factors,
                               float* out)
{
    ptrdiff_t j = 0;
    for (; j + 8 <= L; j += 8)
        fs_lane_columns(8, in, table + j, L, P, factors + j * FS_W, out + j * FS_W);
#define FS_REST(n) case n: fs_lane_columns(n, in, table + j, L, P, factors + j * FS_W, out + j * FS_W); break;
    switch (L - j) {
        FS_REST(1) FS_REST(2) FS_REST(3) FS_REST(4) FS_REST(5) FS_REST(6) FS_REST(7)
    }
#undef FS_REST
}

/* Forward from step t0 to before t1; alpha: the last two columns in turn, weights: fc_ahead of them. */
static void fs_lane_forward(const FcModel* model, const FsModel* single, FsGroup* group, ptrdiff_t t0, ptrdiff_t t1,
                            float* alpha, float* weights)
{
    const ptrdiff_t L = model->labels, P = single->padded, C = L * FS_W, ahead = fc_ahead(L);
    ptrdiff_t t, j;
    int k;
    for (t = t0; t < t1; t++) {
        const ptrdiff_t since = (t - t0) % ahead;
        float* w = weights + since * C;
        float* a = alpha + (t & 1) * C;
        float tops[FS_W];
        fs_vec most;
        if (since == 0)
            fs_lane_rows(model, single, group, t, t + ahead < t1 ? t + ahead : t1, w);
        most = fs_lane_max(w, L, fs_splat(-FLT_MAX));
        fs_store(tops, most);
        for (k = 0; k < FS_W; k++)
            group->shift[k] += tops[k];
        for (j = 0; j < C; j += FS_W)
            fs_store(w + j, fs_exp(fs_load(w + j) - most));
        if (t == 0)
            memcpy(a, w, C * sizeof *a);
        else
            fs_lane_product(alpha + (~t & 1) * C, single->exp_trans, L, P, w, a);
        if (t % single->every == 0) {
            fs_int exponent;
            uint32_t twos[FS_W];
            const fs_vec factor = fs_rescale(fs_lane_max(a, L, fs_splat(0.0f)), &exponent);
            memcpy(twos, &exponent, sizeof twos);
            for (k = 0; k < FS_W; k++)
                group->twos[k] += (double)twos[k] - 127.0;
            for (j = 0; j < C; j += FS_W)
                fs_store(a + j, fs_load(a + j) * factor);
        }
        if (t >= group->shortest - 1)
            for (k = 0; k < FS_W; k++)
                if (t == group->length[k] - 1) {
                    const FcScale scale = {group->shift[k], group->total[k], group->rest[k], group->twos[k], 0};
                    group->sum[k] = fs_sum(a + k, L, FS_W);
                    group->done[k] = scale;
                }
        if (FC_CARRY(t))
            for (k = 0; k < FS_W; k++)
                fs_carry(group->shift + k, group->total + k, group->rest + k);
    }
}

#endif
