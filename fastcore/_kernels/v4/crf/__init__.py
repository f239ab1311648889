"""Kernels of the feature CRF for AVX-512."""
