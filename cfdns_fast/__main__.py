"""python -m cfdns_fast, and the command cfdns-fast."""

import signal
import sys


def main() -> None:
    """Run the command line."""
    try:
        # Imported here: an interrupt meanwhile is one line too.
        from .cli import main as run
    except KeyboardInterrupt:
        print("cfdns-fast: interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    run()


if __name__ == "__main__":
    main()
