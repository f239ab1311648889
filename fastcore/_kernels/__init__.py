"""Compiled kernels. Private: use the public modules, which check their arguments."""
