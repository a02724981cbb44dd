"""`compat` is no part of what is installed: it is found in the checkout, behind everything else."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))
