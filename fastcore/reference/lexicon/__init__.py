"""Slow twins of the kernels of lexicons and of segmentation."""
