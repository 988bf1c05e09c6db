"""Limit everything to one thread, and look up no features of earlier runs. Import this before
numpy and torch, which read these variables when they are loaded."""

import os

for name in ("OMP", "OPENBLAS", "MKL", "BLIS"):
    os.environ[f"{name}_NUM_THREADS"] = "1"
os.environ.pop("SPACY_DISTILL_FEATURES", None)
