"""Kernels of the feature CRF for AVX2."""
