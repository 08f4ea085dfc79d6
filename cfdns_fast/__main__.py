"""``python -m cfdns_fast``: the command line."""

from .cli import main

if __name__ == "__main__":
    main()
