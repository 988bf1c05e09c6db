import sys
from pathlib import Path

# The scripts are run as files, so that they import each other from their own folder.
sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
