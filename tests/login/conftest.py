"""Logins are tested at the door: its harness is used here too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "doors"))
