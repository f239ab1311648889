"""Slow twins of the n-gram kernels."""
