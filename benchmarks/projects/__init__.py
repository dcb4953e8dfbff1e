"""What more and less training gives each project, measured as the projects' pages measure it: by the scripts that fill them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "scripts"))
