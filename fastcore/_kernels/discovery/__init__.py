"""Kernels of word discovery."""
