/* How long loops let Ctrl-C through: `spend` costs an addition and a comparison, until there is reason to look.

   What a unit of work is, the loop decides: some nanoseconds, and in one call always about the same. */
#ifndef FASTCORE_PACE_H
#define FASTCORE_PACE_H

#include <stdint.h>
#include <time.h>

typedef struct Pace {
    int64_t left;                /* units of work until the next look */
    int64_t budget;              /* units of work between two looks */
    int64_t last;                /* when the last look was, in nanoseconds; 0 before the first */
    int (*look)(struct Pace *);  /* returns -1 with a Python exception set if the call must stop */
} Pace;

/* A clock that looks are spaced by. */
static inline int64_t fastcore_nanoseconds(void)
{
    struct timespec now;
#ifdef _MSC_VER
    timespec_get(&now, TIME_UTC);
#else
    clock_gettime(CLOCK_MONOTONIC, &now);
#endif
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Returns -1 with a Python exception set if the call must stop, else 0. */
static inline int spend(Pace *pace, int64_t work)
{
    pace->left -= work;
    return pace->left < 0 ? pace->look(pace) : 0;
}
#endif
