"""Kernels of recurrences."""
