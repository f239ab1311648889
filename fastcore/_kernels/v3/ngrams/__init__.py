"""Kernels of n-gram counting for AVX2."""
