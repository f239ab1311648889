"""Kernels of recurrences for AVX2."""
