"""Transformers: documents in, hidden states or scores of their tokens out."""
