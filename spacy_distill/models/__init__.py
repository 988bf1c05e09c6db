"""Thinc layers: documents in, chains out."""
