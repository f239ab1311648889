"""Slow twins of the recurrence kernels."""
