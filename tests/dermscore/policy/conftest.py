"""Puts the helpers of these tests within reach of all of them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
