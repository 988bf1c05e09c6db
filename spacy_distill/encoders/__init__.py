"""Transformers: they compute hidden states or scores for the tokens of documents."""
