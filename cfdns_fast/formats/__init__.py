"""What input looks like: one module a format, and the detection of the format."""
