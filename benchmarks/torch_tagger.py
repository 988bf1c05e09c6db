"""The student's peer: an LSTM-CNN-CRF of the same shape, as it is commonly written with PyTorch.

Words, cased shapes and characters are looked up in dictionaries, a batch is padded and packed,
`torch.nn.LSTM` runs over it, and Viterbi steps through the padded scores. Its weights are random:
speed does not depend on them.
"""

from typing import Dict, List

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

SHAPES = 500
LONGEST_WORD = 30


class TorchTagger(nn.Module):
    """Embeddings and a character CNN, a two-layer BiLSTM, a linear layer, transition scores."""

    def __init__(self, words: List[str], n_tags: int, word_width: int = 50) -> None:
        super().__init__()
        self.words: Dict[str, int] = {word: i for i, word in enumerate(dict.fromkeys(words), 1)}
        self.characters: Dict[str, int] = {}
        self.word_vectors = nn.Embedding(len(self.words) + 1, word_width)
        # What the student's four hash tables hold, in one.
        self.shape_vectors = nn.Embedding(SHAPES, 64)
        self.character_vectors = nn.Embedding(256, 16)
        self.convolution = nn.Conv1d(16, 64, kernel_size=3, padding=1)
        self.lstm = nn.LSTM(
            word_width + 64 + 64, 100, num_layers=2, bidirectional=True, batch_first=True
        )
        self.emissions = nn.Linear(200, n_tags)
        self.transitions = nn.Parameter(torch.randn(n_tags, n_tags))

    def character_rows(self, word: str) -> Tensor:
        numbers = self.characters
        for character in word[:LONGEST_WORD]:
            numbers.setdefault(character, 1 + len(numbers) % 255)
        return torch.tensor([numbers[character] for character in word[:LONGEST_WORD]])

    @torch.inference_mode()
    def forward(self, sentences: List[List[str]]) -> List[Tensor]:
        """Find each sentence's best tags."""
        lengths = torch.tensor([len(words) for words in sentences])
        flat = [word for words in sentences for word in words]
        rows = torch.tensor([self.words.get(word.lower(), 0) for word in flat])
        shapes = torch.tensor([hash((word[:1], word[-3:])) % SHAPES for word in flat])
        characters = pad_sequence([self.character_rows(word) for word in flat], batch_first=True)
        responses = self.convolution(self.character_vectors(characters).transpose(1, 2))
        responses = responses.masked_fill((characters == 0)[:, None], float("-inf")).amax(2)
        parts = (self.word_vectors(rows), self.shape_vectors(shapes), responses)
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
        """RETURNS (List[Tensor]): (tokens,) tags of each sentence."""
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
