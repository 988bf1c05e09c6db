"""The state of a training at a step: what another process needs to go on from there.

It consists of numbers and text alone. So a checkpoint from elsewhere runs no code when it is read.
"""

import hashlib
import json
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union
from zipfile import BadZipFile

import numpy
from spacy.attrs import ENT_IOB, ENT_TYPE, ORTH, SPACY
from spacy.language import Language
from spacy.training import Example
from thinc.api import Model, Optimizer, PyTorchShim, to_numpy
from thinc.shims import Shim

from ..corpora.labeled import Item, PendingExample

NUMBERS, ARRAYS = "state.json", "arrays.npz"
# Parts of a pipeline's meta that a training writes.
META = ("performance", "distillation")
# Arrays of an optimizer, by the id of a layer and the name of a parameter.
MOMENTS = ("mom1", "mom2", "averages")

Batch = Tuple[int, Sequence[Item]]


@dataclass(kw_only=True)
class TrainingState:
    """The state of a training after a step with an evaluation.

    step (int): The number of the step, counted from 0.
    results (List[Tuple[float, int]]): The score and the step of each evaluation.
    corpus (str): The hash of the documents that were read up to this step.
    corpus_numbers (Dict[str, Any]): The random numbers with which the reading began.
    random_numbers (Dict[str, Any]): The states of the global generators of random numbers.
    meta (Dict[str, Any]): The parts of the pipeline's meta that the training writes.
    skipped (List[Dict[str, str]]): The documents that teachers failed on, as `SkippedDocuments`
        lists them.
    n_updates (Dict[str, int]): The optimizer's number of updates, by the parameter's place.
    arrays (Dict[str, numpy.ndarray]): Parameters, moments and averages, by kind and place.
    """

    step: int
    results: List[Tuple[float, int]]
    corpus: str
    corpus_numbers: Dict[str, Any]
    random_numbers: Dict[str, Any]
    meta: Dict[str, Any]
    skipped: List[Dict[str, str]]
    n_updates: Dict[str, int]
    arrays: Dict[str, numpy.ndarray] = field(repr=False)

    def to_disk(self, folder: Path) -> None:
        """Write the state to an empty folder."""
        numbers = {name: value for name, value in vars(self).items() if name != "arrays"}
        (folder / NUMBERS).write_text(json.dumps(numbers, default=_as_list) + "\n", encoding="utf8")
        numpy.savez(folder / ARRAYS, **self.arrays)  # type: ignore[arg-type]

    @classmethod
    def from_disk(cls, folder: Path) -> "TrainingState":
        """Read the state of a folder.

        RAISES (ValueError): A file is missing or damaged.
        """
        try:
            numbers = json.loads((folder / NUMBERS).read_text(encoding="utf8"))
            numbers["results"] = [(score, step) for score, step in numbers["results"]]
            with numpy.load(folder / ARRAYS, allow_pickle=False) as arrays:
                return cls(**numbers, arrays=dict(arrays))
        except (OSError, EOFError, KeyError, TypeError, ValueError, BadZipFile) as error:
            raise damaged_error(folder, error) from error


def damaged_error(folder: Path, error: Exception) -> ValueError:
    """Create the error for a checkpoint that cannot be read."""
    return ValueError(
        f"[D761] The checkpoint '{folder}' is damaged: {error}. Begin the training anew with "
        "--force."
    )


def take_state(
    nlp: Language,
    models: Mapping[str, Model],
    optimizer: Optimizer,
    *,
    step: int,
    results: Sequence[Tuple[float, int]],
    batches: "ReplayableBatches",
    skipped: List[Dict[str, str]],
) -> TrainingState:
    """Take the state of a training, between two steps.

    nlp (Language): The pipeline.
    models (Mapping[str, Model]): The models that learn, by names of their own.
    optimizer (Optimizer): The optimizer. Its schedules are not part of the state.
    step, results, skipped: As in `TrainingState`.
    batches (ReplayableBatches): The batches, read up to this step.
    RETURNS (TrainingState): The state. Its arrays may change with the next step.
    """
    places = parameter_places(models)
    arrays = {}
    for kind in MOMENTS:
        # `averages` is None if the optimizer has none.
        for key, array in (getattr(optimizer, kind) or {}).items():
            if key in places:
                arrays[f"{kind}/{places[key]}"] = to_numpy(array)
    for place, part in parameter_owners(models):
        for name, array in read_parameters(part, optimizer).items():
            arrays[f"parameters/{place}/{name}"] = array
    return TrainingState(
        step=step,
        results=list(results),
        corpus=batches.corpus,
        corpus_numbers=batches.start,
        random_numbers=take_random_numbers(),
        meta={name: nlp.meta[name] for name in META if name in nlp.meta},
        skipped=skipped,
        n_updates={places[key]: n for key, n in optimizer.nr_update.items() if key in places},
        arrays=arrays,
    )


def set_state(
    state: TrainingState, nlp: Language, models: Mapping[str, Model], optimizer: Optimizer
) -> None:
    """Set parameters, the optimizer, the meta and all random numbers to those of a state.

    state (TrainingState): The state.
    nlp (Language): The pipeline, initialized with the same settings as then.
    models (Mapping[str, Model]): The models that learn, by the same names as then.
    optimizer (Optimizer): The optimizer, after as many steps of its schedules.
    """
    places = parameter_places(models)
    for kind in MOMENTS:
        moments = getattr(optimizer, kind)
        for key, place in places.items():
            array = state.arrays.get(f"{kind}/{place}")
            if array is not None:
                moments[key] = models[place.partition("/")[0]].ops.asarray(array)
    for key, place in places.items():
        if place in state.n_updates:
            optimizer.nr_update[key] = state.n_updates[place]
    for place, part in parameter_owners(models):
        prefix = f"parameters/{place}/"
        write_parameters(
            part,
            {
                key.removeprefix(prefix): array
                for key, array in state.arrays.items()
                if key.startswith(prefix)
            },
        )
        if isinstance(part, Model):
            # What has had a gradient once is updated in each step, by its moments at least.
            for name in part.param_names:
                if f"{place}/{name}" in state.n_updates:
                    part.set_grad(name, part.ops.xp.zeros_like(part.get_param(name)))
    for name, values in state.meta.items():
        nlp.meta.setdefault(name, {}).update(values)
    set_random_numbers(state.random_numbers)


def parameter_owners(models: Mapping[str, Model]) -> Iterator[Tuple[str, Union[Model, Shim]]]:
    """Find the layers and shims of models. Their ids differ in each process, so each has a place:
    the model's name, and the layer's number in the model."""
    for name, model in models.items():
        for number, node in enumerate(model.walk()):
            yield f"{name}/{number}", node
            for shim_number, shim in enumerate(node.shims):
                yield f"{name}/{number}.{shim_number}", shim


def parameter_places(models: Mapping[str, Model]) -> Dict[Tuple[int, str], str]:
    """Map the optimizer's keys to the places of parameters."""
    places = {}
    for place, part in parameter_owners(models):
        if isinstance(part, Model):
            found: Iterable[str] = part.param_names
        elif isinstance(part, PyTorchShim) and part._model is not None:
            found = [name for name, _ in part._model.named_parameters()]
        else:
            found = ()
        places.update({(part.id, name): f"{place}/{name}" for name in found})
    return places


def read_parameters(part: Union[Model, Shim], optimizer: Optimizer) -> Dict[str, numpy.ndarray]:
    """Read the parameters of a layer or of a shim. Those of a torch module that the optimizer has
    not changed, such as a frozen transformer, are left out."""
    if isinstance(part, Model):
        return {
            name: to_numpy(part.get_param(name))
            for name in part.param_names
            if part.has_param(name)
        }
    if isinstance(part, PyTorchShim):
        module = part._model
        if module is None or not any(key[0] == part.id for key in optimizer.nr_update):
            return {}
        # Buffers too, such as the means of batch normalization.
        return {name: value.cpu().numpy() for name, value in module.state_dict().items()}
    content = part.to_bytes()
    return {"bytes": numpy.frombuffer(content, dtype="uint8")} if content else {}


def write_parameters(part: Union[Model, Shim], arrays: Mapping[str, numpy.ndarray]) -> None:
    """Set the parameters of a layer or of a shim."""
    if isinstance(part, Model):
        for name, array in arrays.items():
            part.set_param(name, part.ops.asarray(array))
    elif isinstance(part, PyTorchShim):
        if arrays:
            import torch

            part._model.load_state_dict({key: torch.tensor(arrays[key]) for key in arrays})
    else:
        # Shims without numbers forget what they derived from earlier parameters.
        part.from_bytes(arrays["bytes"].tobytes() if arrays else b"")


# Random numbers


def take_random_numbers() -> Dict[str, Any]:
    """Take the states of Python's, numpy's and torch's global generators of random numbers. Those
    of cupy have no state that can be saved."""
    states: Dict[str, Any] = {
        "python": random.getstate(),
        "numpy": numpy.random.get_state(legacy=False),
    }
    # torch is not imported for this: without it, nothing has used its generators.
    torch = sys.modules.get("torch")
    if torch is not None:
        states["torch"] = torch.get_rng_state().numpy()
        if torch.cuda.is_available():
            states["cuda"] = [state.numpy() for state in torch.cuda.get_rng_state_all()]
    return states


def set_random_numbers(states: Mapping[str, Any]) -> None:
    """Set the global generators of random numbers to earlier states."""
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    numpy.random.set_state(states["numpy"])
    torch = sys.modules.get("torch")
    if torch is not None and "torch" in states:
        torch.set_rng_state(torch.tensor(states["torch"], dtype=torch.uint8))
        if "cuda" in states and torch.cuda.is_available():
            tensors = [torch.tensor(state, dtype=torch.uint8) for state in states["cuda"]]
            torch.cuda.set_rng_state_all(tensors)


def _as_list(array: numpy.ndarray) -> List[int]:
    """Write an array of random numbers as JSON."""
    return array.tolist()


# The corpus


class ReplayableBatches:
    """Batches that another process can read again: they have random numbers of their own, which the
    steps of the training do not change. A hash tells whether two processes read the same."""

    def __init__(self, batches: Iterable[Batch], start: Optional[Mapping[str, Any]] = None) -> None:
        """Prepare the reading.

        batches (Iterable[Batch]): Batches with the number of their epoch.
        start (Optional[Mapping[str, Any]]): The random numbers to begin with; None for the current
            ones.
        """
        self._batches = iter(batches)
        self.start = dict(take_random_numbers() if start is None else start)
        self._numbers = self.start
        self._digest = hashlib.blake2b(digest_size=16)

    @property
    def corpus(self) -> str:
        """The hash of all documents that were read so far."""
        return self._digest.hexdigest()

    def __iter__(self) -> "ReplayableBatches":
        return self

    def __next__(self) -> Batch:
        others = take_random_numbers()
        set_random_numbers(self._numbers)
        try:
            epoch, batch = next(self._batches)
        finally:
            self._numbers = take_random_numbers()
            set_random_numbers(others)
        update_hash(self._digest, batch)
        return epoch, batch


def update_hash(digest: Any, examples: Iterable[Item]) -> None:
    """Add words, spaces and entities of examples to a hash."""
    for example in examples:
        if isinstance(example, PendingExample):
            digest.update(json.dumps([*example.words, example.spaces]).encode())
            continue
        values = example.reference.to_array([ORTH, SPACY, ENT_IOB, ENT_TYPE])
        digest.update(f"{len(values)} ".encode() + values.tobytes())


def corpus_hash(examples: Iterable[Example]) -> str:
    """RETURNS (str): The hash of a corpus, which depends on its order."""
    digest = hashlib.blake2b(digest_size=16)
    update_hash(digest, examples)
    return digest.hexdigest()
