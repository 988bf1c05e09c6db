"""A Hugging Face token classification model as a teacher, without a pipeline around it."""

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy
from spacy.tokens import Doc
from thinc.api import get_current_ops
from thinc.types import Floats2d, Ints1d

from ..chain import BiluoTags, LinearChain, n_tags
from ..chain.biluo import PREFIXES
from ..loading import naming_model
from ..names import HUB_PREFIX, model_place
from ..padding import length_batches, restore_attention
from .failures import documents_error
from .inner_words import with_inner_entities
from .label_schemes import LabelScheme, read_scheme
from .tokens import align, carry_over
from .wordpieces import first_pieces, share_pieces

# Tokenizers that know no longest input say 1e30.
NO_LIMIT = 10**6
DEFAULT_WINDOW = 512
NEVER = -numpy.inf

Offsets = List[Tuple[int, int]]


class TokenClassificationTeacher:
    """Reads documents' texts with a transformer that was trained to classify tokens.

    A token's scores are those of the first wordpiece that overlaps it, the one that such models are
    trained on. Tokens that share their first wordpiece stand for it together: they are outside, or
    inside of the same entity. Tokens without a wordpiece, as white space mostly is, are inside of
    an entity that goes on behind them, or outside; by the scheme "io", they are outside.

    A token may be several words to the model ("U.S.", "Oslo/Berlin"), of which it was trained on
    the first. What it says of the others counts only where it is sure that an entity begins at one
    (`with_inner_entities`): such an entity fits no tokens, so those that it touches are unknown.

    Texts longer than the model's window are read in windows that overlap by a quarter, and a
    wordpiece is scored where it is farthest from a window's edge. What is read together with a
    document does not change what is said of it (`length_batches`), but for rounding.
    """

    def __init__(
        self, name: Union[str, Path], *, scheme: Optional[str] = None, batch_size: int = 32
    ) -> None:
        """Load a model and its tokenizer.

        name (Union[str, Path]): A folder, or `hf:OWNER/NAME` of the Hugging Face hub.
        scheme (Optional[str]): What the model's labels mean: "iobes", "iob2", "ioe2", "io" or
            "types"; found by the labels if None. Models whose B- stands only between two entities
            of one type (IOB1) need "io".
        batch_size (int): Windows that the model reads at once.
        RAISES (ImportError): The train extra is not installed.
        RAISES (ValueError): There is no such model, it cannot classify tokens, its tokenizer has no
            offsets, or its labels have no meaning.
        """
        self.name = str(name)
        self._tokenizer, self._model = _load(self.name)
        classes = [str(name) for _, name in sorted(self._model.config.id2label.items())]
        try:
            self.scheme: LabelScheme = read_scheme(classes, scheme)
        except ValueError as error:
            raise ValueError(f"[D230] The model '{name}' cannot teach. {error}") from error
        self.batch_size = batch_size
        # Entities whose borders were inside the tokens of the documents that were asked for.
        self.n_misfits = 0
        self.window = _window(self._tokenizer, self._model)
        accepted = inspect.signature(self._model.forward).parameters
        fill = {
            "input_ids": self._tokenizer.pad_token_id or 0,
            "attention_mask": 0,
            "token_type_ids": self._tokenizer.pad_token_type_id,
        }
        # What the model takes of what a tokenizer gives, and what fills it up in a batch.
        self._fill: Dict[str, int] = {key: fill[key] for key in fill if key in accepted}

    @property
    def labels(self) -> Tuple[str, ...]:
        """The entity labels, in the order of their tags."""
        return self.scheme.labels

    def predict_chain(self, docs: Sequence[Doc]) -> LinearChain:
        """Read documents and predict the distribution over tag sequences.

        docs (Sequence[Doc]): Documents of any vocabulary, left as they are.
        RETURNS (LinearChain): One sequence a document, over the tags of `labels`, float32, on the
            device of thinc's current ops. Entities do not start or end with white space. Tokens of
            entities that do not fit the documents' tokens are not `known`.
        RAISES (DocumentsError): The model's scores are NaN or infinite.
        """
        results = self._read(docs)
        reasons = {
            number: "a score of the model is NaN or infinite"
            for number, (scores, _) in enumerate(results)
            # False for NaN as well.
            if not (scores < numpy.inf).all()
        }
        if reasons:
            raise documents_error(self.name, docs, reasons)
        chain = self._chain(docs, results)
        known = numpy.concatenate(
            [self._known(doc, *result) for doc, result in zip(docs, results, strict=True)]
        )
        return chain if known.all() else replace(chain, known=get_current_ops().xp.asarray(known))

    def _chain(
        self, docs: Sequence[Doc], results: Sequence[Tuple[Floats2d, Offsets]]
    ) -> LinearChain:
        """RETURNS (LinearChain): One sequence a document, of what the model says at its tokens."""
        tags = BiluoTags(self.labels)
        emissions = [numpy.zeros((0, len(tags)), dtype="float32")]
        for doc, (log_probabilities, offsets) in zip(docs, results, strict=True):
            emissions.append(self._emissions(log_probabilities, first_pieces(doc, offsets)))
        xp = get_current_ops().xp
        start, transitions, end = (xp.asarray(scores) for scores in self.scheme.constraints())
        lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
        chain = LinearChain(
            xp.asarray(numpy.concatenate(emissions)), lengths, transitions, start, end
        )
        spaces = numpy.concatenate([doc.to_array("IS_SPACE") for doc in docs]).astype(bool)
        return chain.restricted(tags.without_edges(spaces)) if spaces.any() else chain

    def _known(self, doc: Doc, log_probabilities: Floats2d, offsets: Offsets) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): (tokens,) bool, False in entities that do not fit the tokens."""
        everything = numpy.ones(len(doc), dtype=bool)
        units = with_inner_entities(doc, offsets, log_probabilities, self.scheme)
        if units is None:
            return everything
        chain = self._chain([units], [(log_probabilities, offsets)])
        lengths = numpy.asarray([len(doc)], dtype="int64")
        carried, n_misfits = carry_over(chain, self.labels, align([units], [doc]), lengths)
        self.n_misfits += n_misfits
        return everything if carried.known is None else get_current_ops().to_numpy(carried.known)

    def _emissions(self, log_probabilities: Floats2d, pieces: Ints1d) -> Floats2d:
        """Score the tags of a document's tokens.

        log_probabilities (Floats2d): (wordpieces, classes)
        pieces (Ints1d): (tokens,) each token's first wordpiece, or -1.
        RETURNS (Floats2d): (tokens, tags) float32.
        """
        emissions = numpy.full((len(pieces), n_tags(len(self.labels))), NEVER, dtype="float32")
        unread = pieces < 0
        emissions[~unread] = self.scheme.emissions(log_probabilities[pieces[~unread]])
        emissions[unread, 0] = 0
        if self.scheme.name != "io":
            # One way through for each way around, so the other tokens' probabilities stay.
            emissions[unread, 1 + PREFIXES.index("I") :: len(PREFIXES)] = 0
        share_pieces(emissions, pieces)
        return emissions

    def _read(self, docs: Sequence[Doc]) -> List[Tuple[Floats2d, Offsets]]:
        """Run the model on documents.

        RETURNS (List[Tuple[Floats2d, Offsets]]): For each document, its wordpieces'
            log-probabilities (wordpieces, classes), float32, and places in the text.
        """
        nothing = numpy.zeros((0, self._model.config.num_labels), dtype="float32")
        overlap = self.window // 4
        encoded = self._tokenizer(
            [doc.text for doc in docs],
            truncation=True,
            max_length=self.window,
            stride=overlap,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_attention_mask=True,
        )
        sources = encoded["overflow_to_sample_mapping"]
        kept = []
        for number, source in enumerate(sources):
            content = [
                place for place, text in enumerate(encoded.sequence_ids(number)) if text == 0
            ]
            # A wordpiece in two windows is taken from the one whose edge is farther away.
            if number and sources[number - 1] == source:
                content = content[(overlap + 1) // 2 :]
            if number + 1 < len(sources) and sources[number + 1] == source:
                content = content[: len(content) - overlap // 2]
            kept.append(content)
        numbers = [number for number, content in enumerate(kept) if content]
        windows = [{key: encoded[key][n] for key in self._fill if key in encoded} for n in numbers]
        scores: List[List[Floats2d]] = [[nothing] for _ in docs]
        offsets: List[Offsets] = [[] for _ in docs]
        for number, rows in zip(numbers, self._classify(windows), strict=True):
            scores[sources[number]].append(rows[kept[number]])
            places = encoded["offset_mapping"][number]
            offsets[sources[number]].extend(places[place] for place in kept[number])
        return [
            (numpy.concatenate(rows), spans) for rows, spans in zip(scores, offsets, strict=True)
        ]

    def _classify(self, windows: List[Dict[str, List[int]]]) -> List[Floats2d]:
        """RETURNS (List[Floats2d]): Log-probabilities (wordpieces, classes) for each window, whose
        first rows are the window's."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        device = "cuda" if get_current_ops().name == "cupy" else "cpu"
        self._model.to(device)
        results: List[Floats2d] = [None] * len(windows)
        lengths = [len(window["input_ids"]) for window in windows]
        for batch in length_batches(lengths, self.batch_size, self._model.config):
            restore_attention(self._model)
            inputs = {
                key: pad_sequence(
                    [torch.tensor(windows[number][key]) for number in batch],
                    batch_first=True,
                    padding_value=self._fill[key],
                ).to(device)
                for key in windows[0]
            }
            with torch.inference_mode():
                scores = self._model(**inputs).logits.log_softmax(dim=-1).cpu().numpy()
            for number, rows in zip(batch, scores, strict=True):
                results[number] = rows
        return results


def hub_commit(name: str) -> str:
    """Find out at which commit a model of the hub is that would be loaded now.

    name (str): The model's name, `hf:OWNER/NAME`. Its configuration is downloaded, if it is not
        there already.
    RETURNS (str): The commit, which stands for all that is in the model's files.
    RAISES (ImportError): The train extra is not installed.
    RAISES (ValueError): There is no such model.
    """
    _require_train_extra(name)
    from transformers.utils import cached_file

    try:
        return Path(str(cached_file(model_place(name), "config.json"))).parent.name
    except OSError as error:
        raise ValueError(
            f"[D231] There is no model '{name.removeprefix(HUB_PREFIX)}' on the Hugging Face hub, "
            "or it cannot be reached. Correct the name, or name the model's folder. transformers "
            f"says: {error}"
        ) from error


def _require_train_extra(name: str) -> None:
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"[D232] The token classification model '{name}' needs transformers and torch. Install "
            'them with `pip install "spacy-distill[train]"`.'
        ) from error


def _load(name: str) -> Tuple[Any, Any]:
    """RETURNS (Tuple[Any, Any]): A fast tokenizer, and a model in float32."""
    _require_train_extra(name)
    place = model_place(name)
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    def named(error: Exception) -> ValueError:
        return ValueError(
            f"[D233] '{name}' cannot be loaded as a token classification model. Give a folder with "
            f"a model and its tokenizer, or hf:OWNER/NAME. transformers says: {error}"
        )

    with naming_model(named):
        # Told nothing, transformers asks on the terminal whether to run a repository's code.
        tokenizer = AutoTokenizer.from_pretrained(place, use_fast=True, trust_remote_code=False)
        model, loading = AutoModelForTokenClassification.from_pretrained(
            place, output_loading_info=True, trust_remote_code=False
        )
    if not tokenizer.is_fast:
        raise ValueError(
            f"[D234] The tokenizer of '{name}', {type(tokenizer).__name__}, does not tell where in "
            "the text a wordpiece stands. Take a model that has a fast tokenizer (tokenizer.json)."
        )
    if loading["missing_keys"]:
        raise ValueError(
            f"[D235] The model '{name}' is not trained to classify tokens: it lacks the parameters "
            f"{', '.join(sorted(loading['missing_keys']))}. Take one that is fine-tuned for it."
        )
    # Windows are counted from the text's beginning.
    tokenizer.truncation_side = "right"
    return tokenizer, model.to(torch.float32).eval()


def _window(tokenizer: Any, model: Any) -> int:
    """RETURNS (int): The most wordpieces that a model reads at once, special ones included."""
    limits = [tokenizer.model_max_length]
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions and positions > 0:
        # RoBERTa's positions start behind that of padding.
        unused = (
            module.padding_idx + 1
            for name, module in model.named_modules()
            if name.endswith("position_embeddings")
            and getattr(module, "padding_idx", None) is not None
        )
        limits.append(positions - next(unused, 0))
    return min([limit for limit in limits if limit < NO_LIMIT], default=DEFAULT_WINDOW)
