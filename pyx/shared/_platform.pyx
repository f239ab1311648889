"""What this processor and this build can do."""

cdef extern from "platform_info.h" nogil:
    int fastcore_cpu_level()
    const char* FASTCORE_COMPILER
    const char* FASTCORE_MODE


def cpu_level():
    """1: x86-64 baseline or another architecture; 3: x86-64-v3; 4: x86-64-v4."""
    return fastcore_cpu_level()


def compiler():
    """Name and version of the C compiler that built the kernels."""
    return FASTCORE_COMPILER.decode("ascii", "replace")


def build_mode():
    """'build' and the build switches that were on, joined by '-'."""
    return FASTCORE_MODE.decode("ascii", "replace")
