"""Kernels of sentence templates."""
