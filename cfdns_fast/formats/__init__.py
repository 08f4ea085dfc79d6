"""The input formats: one module for each format, and the detection of the format."""
