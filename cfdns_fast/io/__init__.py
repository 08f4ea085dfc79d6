"""Bytes in and out: inputs in blocks, plain or gzip, and outputs that are complete or not there at all."""
