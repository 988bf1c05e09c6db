"""Readers of corpora: from files on disk to spaCy documents."""
