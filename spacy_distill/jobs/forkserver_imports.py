"""Import what pipelines need, in the process that workers are forked from.

spaCy imports all factories that packages announce when it makes the first pipeline. With
spacy-transformers among them, each worker would do so for seconds.
"""

from contextlib import suppress

from spacy.util import registry

# The workers raise the error of a package that is broken.
with suppress(Exception):
    registry._entry_point_factories.get_all()
