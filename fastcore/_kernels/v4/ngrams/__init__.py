"""Kernels of n-gram counting for AVX-512."""
