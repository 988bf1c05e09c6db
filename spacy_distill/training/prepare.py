"""What `spacy train` does before a training of a teacher or a student."""

from typing import Callable

from spacy.language import Language
from thinc.api import Model

from ..names import model_location
from ..saving import save_atomically


def PrepareTraining() -> Callable[[Language], None]:
    """Check the number of training steps, find the model of the `transformer` component, and let
    the pipeline be saved atomically. Registered as `spacy-distill.PrepareTraining.v1`, for
    `[initialize.before_init]`.

    So `model-last` of `spacy train` can be loaded at every moment, also if the training is killed.
    spaCy copies it to `model-best` file by file.

    The training must not be longer than the schedule of its learning rate. The model of the
    transformer is a folder, or `hf:OWNER/NAME` on the Hugging Face hub.

    RETURNS (Callable[[Language], None]): The check. It raises ValueError if the training is longer
        than the schedule, or if there is no such folder.
    """

    def prepare(nlp: Language) -> None:
        require_steps_of_schedule(nlp)
        save_atomically(nlp)
        for _, pipe in nlp.components:
            model = getattr(pipe, "model", None)
            attrs = model.attrs if isinstance(model, Model) else {}
            # A transformer of spacy-transformers that is not loaded yet.
            if attrs.get("has_transformer") is False:
                attrs["name"] = model_location(attrs["name"])

    return prepare


def require_steps_of_schedule(nlp: Language) -> None:
    """Raise ValueError if a training has more steps than the schedule of its learning rate."""
    training = nlp.config.interpolate()["training"]
    rate = training["optimizer"].get("learn_rate")
    total = rate.get("total_steps") if isinstance(rate, dict) else None
    most = training["max_steps"]
    if total is not None and not 0 < most <= total:
        raise ValueError(
            f"[D107] [training] max_steps is {most or 'without limit'}, but the learning rate "
            f"falls to 0 in {total} steps. Set [training.optimizer.learn_rate] total_steps "
            "alone: in the config that `distill-init` writes, max_steps follows it."
        )
