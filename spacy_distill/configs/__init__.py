"""The package's configs, which `python -m spacy distill-init` copies."""
