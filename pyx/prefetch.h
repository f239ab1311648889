/* Ask for a cache line early, where the compiler can. */
#ifndef FASTCORE_PREFETCH_H
#define FASTCORE_PREFETCH_H

#if defined(__GNUC__)
#define fc_prefetch(address) __builtin_prefetch(address)
#else
#define fc_prefetch(address) ((void)(address))
#endif

#endif
