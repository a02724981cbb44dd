"""`python -m respkv`."""

import sys

from respkv.cli import main

if __name__ == "__main__":
    sys.exit(main())
