"""python -m cfdns_fast, and the command cfdns-fast."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from .interrupts import INTERRUPTS, is_out_of_memory

        INTERRUPTS.install()
    except KeyboardInterrupt:
        # The signal came before its handler was installed.
        sys.stderr.write("cfdns-fast: interrupted\n")
        sys.exit(130)
    try:
        from .cli import main as run

        run()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        sys.stderr.write("cfdns-fast: out of memory\n")
        sys.exit(1)
    finally:
        INTERRUPTS.uninstall()


if __name__ == "__main__":
    main()
