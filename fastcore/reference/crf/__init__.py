"""Slow twins of the feature CRF's kernels."""
