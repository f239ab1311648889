# The fused types: a kernel that is the same for several kinds of numbers is written once.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

# Floating-point numbers, as callers have them.
ctypedef fused real:
    float
    double

# The code points of a str, in the width that it keeps them.
ctypedef fused unit:
    uint8_t
    uint16_t
    uint32_t

# Ids, as callers have them.
ctypedef fused whole:
    int32_t
    int64_t

# Places in a stream of ids, as narrow as its length allows.
ctypedef fused place:
    int32_t
    int64_t
