"""Slow twins of the vectorizer's kernels."""
