"""fastcore beside its twins and its peers: ``python -m bench [name ...]``."""
