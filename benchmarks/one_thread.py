"""Import this before numpy and torch, which read these variables when they are loaded. What is
imported after it runs on one thread and looks up no features of earlier runs."""

import os

for name in ("OMP", "OPENBLAS", "MKL", "BLIS"):
    os.environ[f"{name}_NUM_THREADS"] = "1"
os.environ.pop("SPACY_DISTILL_FEATURES", None)
