"""Kernels of recurrences for AVX-512."""
