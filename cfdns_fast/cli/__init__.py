"""The command line: options, one run, and what it reports. __main__ starts it."""
