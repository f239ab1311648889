"""Slow twins of the kernels of word discovery."""
