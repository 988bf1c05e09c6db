"""A component whose labels can change: the size of its model's head follows them."""

from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

import srsly
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from thinc.api import Model

from ..chain import LinearChain
from ..models.chain_tagger import resize_output


class LabelledPipe(TrainablePipe):
    """The base class of `ChainNER` for labels. It keeps the labels, the head of the model and the
    copy for rehearsals consistent."""

    cfg: Dict[str, Any]
    # The number of labels, the last ones, whose parameters are still random.
    _n_untrained = 0
    _rehearsal_copy: Optional[Model[List[Doc], LinearChain]] = None

    @property
    def labels(self) -> Tuple[str, ...]:
        """The entity labels, in the order of their tags."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> Tuple[str, ...]:
        """The labels for `initialize`; `spacy init labels` writes them."""
        return self.labels

    def add_label(self, label: str) -> int:
        """Add an entity label. The parameters of the other labels are kept. The new label has to be
        learnt by further training.

        label (str): The label.
        RETURNS (int): 1 if the label was added, 0 if the component had it already.
        """
        if not isinstance(label, str) or not label:
            raise ValueError(
                f"[D011] A label has to be a string that is not empty: found {label!r}."
            )
        if label in self.labels:
            return 0
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        head = self.model.get_ref("output_layer")
        if head.has_dim("nL"):
            self.set_output(len(self.labels))
        if head.has_param("W"):
            self._n_untrained += 1
        return 1

    @property
    def _rehearsal_model(self) -> Optional[Model[List[Doc], LinearChain]]:
        """A copy of the model for rehearsals, which `nlp.resume_training` sets. Untrained labels
        are removed from the copy, so that it does not teach random predictions."""
        return self._rehearsal_copy

    @_rehearsal_model.setter
    def _rehearsal_model(self, model: Optional[Model[List[Doc], LinearChain]]) -> None:
        if model is not None and self._n_untrained:
            resize_output(model, len(self.labels) - self._n_untrained)
        self._rehearsal_copy = model

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "LabelledPipe":
        """Load the component. The loaded labels replace the current ones.

        bytes_data (bytes): The bytes that `to_bytes` returned.
        exclude (Iterable[str]): The parts that are not loaded: cfg, vocab or model.
        RETURNS (LabelledPipe): This component.
        """
        exclude = list(exclude)
        if "cfg" not in exclude:
            self._resize_head(srsly.json_loads(srsly.msgpack_loads(bytes_data).get("cfg", "{}")))
        super().from_bytes(bytes_data, exclude=exclude)
        self._drop_former_state()
        return self

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "LabelledPipe":
        """Load the component. The loaded labels replace the current ones.

        path (Union[str, Path]): The directory that `to_disk` wrote.
        exclude (Iterable[str]): The parts that are not loaded: cfg, vocab or model.
        RETURNS (LabelledPipe): This component.
        """
        exclude, settings = list(exclude), Path(path) / "cfg"
        if "cfg" not in exclude and settings.exists():
            self._resize_head(srsly.read_json(settings))
        super().from_disk(path, exclude=exclude)
        self._drop_former_state()
        return self

    def _resize_head(self, cfg: Dict[str, Any]) -> None:
        """Resize the head to the labels in `cfg`. Thinc cannot load parameters of other shapes."""
        labels = cfg.get("labels")
        if labels and self.model.get_ref("output_layer").has_dim("nL"):
            self.set_output(len(labels))

    def _drop_former_state(self) -> None:
        """Drop the state that belongs to earlier parameters of the model."""
        self._rehearsal_model, self._n_untrained = None, 0
