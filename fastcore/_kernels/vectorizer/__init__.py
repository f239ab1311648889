"""Kernels of the vectorizer."""
