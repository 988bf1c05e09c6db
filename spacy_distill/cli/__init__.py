"""Commands of `python -m spacy`."""
