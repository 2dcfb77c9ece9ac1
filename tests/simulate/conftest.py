from __future__ import annotations

import sys
from pathlib import Path

# The strategies that several test modules share lie beside them.
sys.path.insert(0, str(Path(__file__).parent))
