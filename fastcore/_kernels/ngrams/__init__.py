"""Kernels of n-gram counting."""
