"""Import what pipelines need, in the process that workers are forked from.

With its first pipeline, spaCy imports the factories of all installed packages. spacy-transformers
among them takes seconds, which each worker would need.
"""

from contextlib import suppress

import spacy

# If a package is broken, the workers raise its error.
with suppress(Exception):
    spacy.blank("xx")
