"""Kernels of the feature CRF."""
