"""Whole numbers that are given to commands and functions."""

from typing import Optional


def require_range(name: str, value: int, least: int, most: Optional[int] = None) -> None:
    """Make sure that a number is in its range; raise ValueError if not."""
    if value < least or (most is not None and value > most):
        limits = f"{least} or more" if most is None else f"from {least} to {most}"
        raise ValueError(f"[D705] {name} has to be {limits}: found {value}.")
