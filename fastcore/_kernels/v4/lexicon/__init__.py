"""Kernels of lexicons and of segmentation for AVX-512."""
