"""The command cfdns-fast, and python -m cfdns_fast."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    try:
        from .cli.signals import INTERRUPTS, is_out_of_memory

        INTERRUPTS.install()
    except KeyboardInterrupt:
        # The signal arrived before its handler was installed.
        sys.stderr.write("cfdns-fast: interrupted\n")
        sys.exit(130)
    try:
        if sys.argv[1:] == ["--version"] and _print_version():
            return
        from .cli.app import main as run

        run()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        sys.stderr.write("cfdns-fast: out of memory\n")
        sys.exit(1)
    finally:
        INTERRUPTS.uninstall()


def _print_version() -> bool:
    """Print the version without importing click. Returns False on failure; then click reports the reason."""
    try:
        from . import __version__

        sys.stdout.write(f"cfdns-fast {__version__}\n")
        sys.stdout.flush()
    except (AttributeError, ImportError, OSError):
        # Standard output is closed or cannot be written, or the package has no metadata.
        return False
    return True


if __name__ == "__main__":
    main()
