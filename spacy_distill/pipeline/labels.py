"""Labels of a component, and the head of its model, which has as many."""

from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

import srsly
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from thinc.api import Model

from ..chain import LinearChain
from ..models.chain_tagger import resize_output


class LabelledPipe(TrainablePipe):
    """A component whose labels can change: the part of `ChainNER` that keeps labels, head and the
    copy for rehearsals together."""

    cfg: Dict[str, Any]
    # The last labels, which no optimizer has updated: their part of the head is random.
    _n_untrained = 0
    _rehearsal_copy: Optional[Model[List[Doc], LinearChain]] = None

    @property
    def labels(self) -> Tuple[str, ...]:
        """The entity labels, in the order of their tags."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> Tuple[str, ...]:
        """What `initialize` takes as labels; written by `spacy init labels`."""
        return self.labels

    def add_label(self, label: str) -> int:
        """Add an entity label. A trained model keeps what it knows and learns the new one by
        further training.

        label (str): The label.
        RETURNS (int): 1 if it was added, 0 if it was there.
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
        """A copy of the model, which `nlp.resume_training` puts here wherever there is this
        attribute. Labels that nothing has trained are cut off, since the copy would teach them."""
        return self._rehearsal_copy

    @_rehearsal_model.setter
    def _rehearsal_model(self, model: Optional[Model[List[Doc], LinearChain]]) -> None:
        if model is not None and self._n_untrained:
            resize_output(model, len(self.labels) - self._n_untrained)
        self._rehearsal_copy = model

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "LabelledPipe":
        """Load the component. Its labels may differ from those that it has now.

        bytes_data (bytes): What `to_bytes` returned.
        exclude (Iterable[str]): Names of parts to leave as they are: cfg, vocab, model.
        RETURNS (LabelledPipe): This component.
        """
        exclude = list(exclude)
        if "cfg" not in exclude:
            self._resize_head(srsly.json_loads(srsly.msgpack_loads(bytes_data).get("cfg", "{}")))
        super().from_bytes(bytes_data, exclude=exclude)
        self._drop_former_state()
        return self

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "LabelledPipe":
        """Load the component. Its labels may differ from those that it has now.

        path (Union[str, Path]): The directory that `to_disk` wrote.
        exclude (Iterable[str]): Names of parts to leave as they are: cfg, vocab, model.
        RETURNS (LabelledPipe): This component.
        """
        exclude, settings = list(exclude), Path(path) / "cfg"
        if "cfg" not in exclude and settings.exists():
            self._resize_head(srsly.read_json(settings))
        super().from_disk(path, exclude=exclude)
        self._drop_former_state()
        return self

    def _resize_head(self, cfg: Dict[str, Any]) -> None:
        """Give the head the size of what is loaded next: Thinc does not change it then."""
        labels = cfg.get("labels")
        if labels and self.model.get_ref("output_layer").has_dim("nL"):
            self.set_output(len(labels))

    def _drop_former_state(self) -> None:
        """Forget what belongs to other parameters than those that the model has now."""
        self._rehearsal_model, self._n_untrained = None, 0
