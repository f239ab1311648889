"""The slow twin: each kernel module again, in plain Python written to be read and believed."""
