"""A component whose labels can change: the size of its model's head follows them."""

from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple, Union

import srsly
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from thinc.api import Model

from ..chain import LinearChain
from ..limits import LARGEST_MANIFEST, require_file_size, require_msgpack
from ..loading import DAMAGE_ERRORS, has_code
from ..models.chain_tagger import resize_output
from ..models.saved_model import load_model

# Scores of pairs of tags take 256 MB with so many labels.
MOST_LABELS = 2047


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
        if len(self.labels) == MOST_LABELS:
            raise ValueError(
                f"[D016] The component '{self.name}' has {MOST_LABELS} labels, which is the most "
                f"that it can have: '{label}' cannot be added. Train on fewer labels."
            )
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
        with self._loading():
            require_msgpack(bytes_data)
            saved = srsly.msgpack_loads(bytes_data)
            cfg = saved.get("cfg") if "cfg" not in exclude else None
            model = saved.get("model") if "model" not in exclude else None
            self._load(None if cfg is None else srsly.json_loads(cfg), model)
        super().from_bytes(bytes_data, exclude=[*exclude, "cfg", "model"])
        self._drop_former_state()
        return self

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "LabelledPipe":
        """Load the component. The loaded labels replace the current ones.

        path (Union[str, Path]): The directory that `to_disk` wrote.
        exclude (Iterable[str]): The parts that are not loaded: cfg, vocab or model.
        RETURNS (LabelledPipe): This component.
        """
        exclude, folder = list(exclude), Path(path)
        cfg = model = None
        with self._loading():
            if "cfg" not in exclude and (folder / "cfg").exists():
                require_file_size(folder / "cfg", LARGEST_MANIFEST)
                cfg = srsly.read_json(folder / "cfg")
            if "model" not in exclude:
                model = (folder / "model").read_bytes()
            self._load(cfg, model)
        super().from_disk(path, exclude=[*exclude, "cfg", "model"])
        self._drop_former_state()
        return self

    @contextmanager
    def _loading(self) -> Iterator[None]:
        """Name the component in the errors of libraries about damaged data."""
        try:
            yield
        except DAMAGE_ERRORS as error:
            if has_code(error):
                raise
            raise _not_saved_error(self.name, f"{type(error).__name__}: {error}") from error

    def _load(self, cfg: Any, model: Optional[bytes]) -> None:
        """Load the settings and the parameters. None leaves them as they are."""
        labels = self.labels if cfg is None else _labels_of(cfg, self.name)
        if model is not None:
            # All that can be wrong is found before anything changes.
            load_model(self.model, model, len(labels), resize=self._resize_head)
        elif labels:
            self._resize_head(len(labels))
        if cfg is not None:
            self.cfg.update(cfg)

    def _resize_head(self, n_labels: int) -> None:
        """Resize the head. Thinc cannot load parameters of other shapes."""
        if n_labels and self.model.get_ref("output_layer").has_dim("nL"):
            self.set_output(n_labels)

    def _drop_former_state(self) -> None:
        """Drop the state that belongs to earlier parameters of the model."""
        self._rehearsal_model, self._n_untrained = None, 0


def _labels_of(cfg: Any, name: str) -> List[str]:
    """RETURNS (List[str]): The labels of loaded settings. RAISES (ValueError): The settings are not
    those of a component."""
    labels = cfg.get("labels") if isinstance(cfg, dict) else None
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise _not_saved_error(name, "its cfg has no list of labels")
    if "" in labels or len(set(labels)) < len(labels) or len(labels) > MOST_LABELS:
        raise _not_saved_error(
            name, f"its labels are not up to {MOST_LABELS} different names that are not empty"
        )
    temperature = cfg.get("temperature", 1.0)
    is_number = isinstance(temperature, (int, float)) and not isinstance(temperature, bool)
    if not (is_number and 0 < temperature < float("inf")):
        raise _not_saved_error(name, f"its temperature is {temperature!r:.50}")
    return labels


def _not_saved_error(name: str, problem: str) -> ValueError:
    return ValueError(
        f"[D785] The component '{name}' cannot be loaded: {problem}. It is damaged, or another "
        "component has saved it. Copy it again."
    )
