"""Slow twins of the kernels of sentence templates."""
