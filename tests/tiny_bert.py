"""A BERT that is tiny and random, as Hugging Face saves one."""

import pytest
from thinc.api import fix_random_seed


def save_tiny_bert(folder, words, *, depth=1, positions=32, kind="Bert", **settings):
    """Save one that reads these words, and "company" in two pieces.

    kind, settings: Another kind of model, and what its config has beside BERT's.

    RETURNS (Path): The folder.
    """
    pytest.importorskip("spacy_transformers", reason="the train extra is not installed")
    import torch
    import transformers
    from transformers import BertTokenizerFast, logging

    # Threads that wait for each other cost more than they bring at this size.
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    words = sorted({word.lower() for word in words} - {"company"})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "com", "##pany", *words]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    fix_random_seed(0)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(pieces),
        hidden_size=16,
        num_hidden_layers=depth,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=positions,
        **settings,
    )
    getattr(transformers, f"{kind}Model")(config).save_pretrained(folder)
    return folder
