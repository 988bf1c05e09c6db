"""What a measurement was made on."""

import os
import platform
from pathlib import Path
from typing import Any, Dict


def processor() -> str:
    """RETURNS (str): The processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def hardware() -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The processor's name, how many cores it shows, and the operating
    system."""
    return {
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.machine()}",
    }
