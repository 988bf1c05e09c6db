"""An LSTM-CNN-CRF of the student's shape, as it is commonly written with PyTorch.

Embeddings of words, of what they look like and of their characters, `torch.nn.LSTM` over a packed
batch, and Viterbi stepping through the padded scores. Its weights are random: speed does not depend
on them. All words of a text have embeddings, which are chosen by hash.
"""

from typing import List, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

WORDS, SHAPES, CHARACTERS = 50_000, 500, 256
LONGEST_WORD = 30


class Encoded(NamedTuple):
    """A batch as tensors.

    words, shapes (Tensor): (tokens,) rows of the embeddings.
    characters (Tensor): (tokens, longest word) rows, 0 beyond a word.
    lengths (Tensor): (sentences,)
    """

    words: Tensor
    shapes: Tensor
    characters: Tensor
    lengths: Tensor


class TorchTagger(nn.Module):
    """Embeddings and a character CNN, a two-layer BiLSTM, a linear layer, transition scores."""

    def __init__(self, n_tags: int, word_width: int = 50) -> None:
        super().__init__()
        self.word_vectors = nn.Embedding(WORDS, word_width)
        # As many rows as the student's four hash tables together.
        self.shape_vectors = nn.Embedding(SHAPES, 64)
        self.character_vectors = nn.Embedding(CHARACTERS, 16)
        self.convolution = nn.Conv1d(16, 64, kernel_size=3, padding=1)
        self.lstm = nn.LSTM(
            word_width + 64 + 64, 100, num_layers=2, bidirectional=True, batch_first=True
        )
        self.emissions = nn.Linear(200, n_tags)
        self.transitions = nn.Parameter(torch.randn(n_tags, n_tags))

    def encode(self, sentences: List[List[str]]) -> Encoded:
        """Encode sentences as the inputs of `forward`."""
        flat = [word for words in sentences for word in words]
        characters = [
            torch.tensor([1 + ord(character) % (CHARACTERS - 1) for character in word])
            for word in (word[:LONGEST_WORD] for word in flat)
        ]
        return Encoded(
            torch.tensor([hash(word.lower()) % WORDS for word in flat]),
            torch.tensor([hash((word[:1], word[-3:])) % SHAPES for word in flat]),
            pad_sequence(characters, batch_first=True),
            torch.tensor([len(words) for words in sentences]),
        )

    @torch.inference_mode()
    def forward(self, batch: Encoded) -> List[Tensor]:
        """Find the best tags of each sentence."""
        lengths, characters = batch.lengths, batch.characters
        responses = self.convolution(self.character_vectors(characters).transpose(1, 2))
        responses = responses.masked_fill((characters == 0)[:, None], float("-inf")).amax(2)
        parts = (self.word_vectors(batch.words), self.shape_vectors(batch.shapes), responses)
        tokens = torch.cat(parts, dim=1).split(lengths.tolist())
        packed = pack_padded_sequence(
            pad_sequence(list(tokens), batch_first=True),
            lengths,
            batch_first=True,
            enforce_sorted=False,
        )
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.viterbi(self.emissions(states), lengths)

    def viterbi(self, emissions: Tensor, lengths: Tensor) -> List[Tensor]:
        """Find the tags of each sentence by Viterbi decoding: (tokens,) each."""
        n_sentences, n_steps, _ = emissions.shape
        best = emissions[:, 0]
        scores, sources = [best], []
        for step in range(1, n_steps):
            arriving, source = (best[:, :, None] + self.transitions).max(dim=1)
            best = arriving + emissions[:, step]
            scores.append(best)
            sources.append(source)
        last = torch.stack(scores, dim=1)[torch.arange(n_sentences), lengths - 1].argmax(dim=1)
        tags = torch.zeros(n_sentences, n_steps, dtype=torch.long)
        for step in range(n_steps - 1, -1, -1):
            if step + 1 < n_steps:
                before = sources[step].gather(1, last[:, None])[:, 0]
                last = torch.where(step + 1 < lengths, before, last)
            tags[:, step] = last
        return [row[:length] for row, length in zip(tags, lengths.tolist(), strict=True)]
