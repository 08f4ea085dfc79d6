"""The receiver: a Logpush HTTP destination that acknowledges a batch after it is on disk.

- `settings`, `configuration`: what is set, and the file that sets it.
- `server`, `examine`, `answers`, `keys`, `tls`: from a connection to a stored batch and its answer.
- `sink_process`, `delivery`, `pieces`, `lines`: from a stored batch to a sink, in a process of the sink.
- `detection`, `detectors`, `alerts_converter`, `alert_states`: what is looked for on that way, and the alerts of it.
- `supervisor`, `metrics`, `health`, `log`, `notify`: what the operator sees.
- `app`: all of it.

The modules need the extra ``receiver``; `settings` and `configuration` do not.
"""
