"""The command line: options, one run, and its reports. __main__ starts it."""
