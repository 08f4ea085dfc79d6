"""The load run of the receiver: a sender in its own process, a receiver with a file sink, and a check of all events."""
