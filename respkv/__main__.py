"""`python -m respkv`, and the command `respkv`."""

import sys

from respkv.net import deferred


def run() -> int:
    """The command line in a process of its own; the exit code."""
    deferred.defer()
    from respkv.cli import main  # here, since it imports what is deferred

    return main()


if __name__ == "__main__":
    sys.exit(run())
