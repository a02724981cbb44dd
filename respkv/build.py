"""Which build of respkv runs: this module is compiled with the hot ones, so it looks at itself."""

from typing import Final

BUILD: Final = "interpreted" if __file__.endswith(".py") else "compiled"
