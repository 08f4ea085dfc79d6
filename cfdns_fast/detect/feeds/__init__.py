"""Readers of indicator feeds. Each format is a module; `reader` finds the format and reads a file."""
