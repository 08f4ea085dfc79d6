"""python -m cfdns_fast, and the command cfdns-fast."""

import signal
import sys


def main() -> None:
    """Run the command line."""
    try:
        if sys.argv[1:] == ["--version"] and _print_version():
            return
        # Imported here: an interrupt meanwhile is one line too.
        from .cli import main as run
    except KeyboardInterrupt:
        print("cfdns-fast: interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    run()


def _print_version() -> bool:
    """Print the version without the import of click (0.05 s). Returns False if that fails: click then reports why."""
    try:
        from . import __version__

        sys.stdout.write(f"cfdns-fast {__version__}\n")
        sys.stdout.flush()
    except (AttributeError, ImportError, OSError):
        # Standard output is closed or cannot be written, or the package is not installed.
        return False
    return True


if __name__ == "__main__":
    main()
