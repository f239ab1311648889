/* What this processor and this build can do. Everything degrades to 'baseline'. */
#ifndef FASTCORE_PLATFORM_INFO_H
#define FASTCORE_PLATFORM_INFO_H

#ifndef FASTCORE_MODE
#define FASTCORE_MODE "build"
#endif

#if defined(__clang__)
#define FASTCORE_COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define FASTCORE_COMPILER "gcc " __VERSION__
#elif defined(_MSC_VER)
#define FASTCORE_STR2(x) #x
#define FASTCORE_STR(x) FASTCORE_STR2(x)
#define FASTCORE_COMPILER "msvc " FASTCORE_STR(_MSC_VER)
#else
#define FASTCORE_COMPILER "unknown"
#endif

/* 1 for the x86-64 baseline (and every other machine), 3 for AVX2 and FMA, 4 for AVX-512 F/BW/CD/DQ/VL. */
static int fastcore_cpu_level(void)
{
#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
    __builtin_cpu_init();
    if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi")
          && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma")))
        return 1;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq")
        && __builtin_cpu_supports("avx512vl"))
        return 4;
    return 3;
#else
    return 1;
#endif
}

#endif
