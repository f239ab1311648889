"""Kernels of lexicons and of segmentation."""
