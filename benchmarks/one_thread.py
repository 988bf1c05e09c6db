"""Limit everything to one thread, and look up no features of earlier runs. Import this before
numpy, torch and pyarrow, which read these variables when they are loaded."""

import os

for name in ("OMP", "OPENBLAS", "MKL", "BLIS"):
    os.environ[f"{name}_NUM_THREADS"] = "1"
# pyarrow's allocator would start a thread.
os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"
os.environ.pop("SPACY_DISTILL_FEATURES", None)
