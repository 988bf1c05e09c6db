"""Checks of a training's config before the training begins."""

from typing import Callable

from spacy.language import Language

from ..names import model_place


def PrepareTraining() -> Callable[[Language], None]:
    """Check the steps of a training, and find the model of its `transformer` component. Registered
    as `spacy-distill.PrepareTraining.v1`, for `[initialize.before_init]`.

    `[training] max_steps` and the learning rate's schedule have to end together. The model is a
    folder, or `hf:OWNER/NAME` on the Hugging Face hub.

    RETURNS (Callable[[Language], None]): The check. It raises ValueError if the steps differ, or if
        there is no such folder.
    """

    def prepare(nlp: Language) -> None:
        require_equal_steps(nlp)
        for _, pipe in nlp.components:
            model = getattr(pipe, "model", None)
            # A transformer of spacy-transformers that is yet to be loaded.
            if model is not None and model.attrs.get("has_transformer") is False:
                model.attrs["name"] = model_place(model.attrs["name"])

    return prepare


def require_equal_steps(nlp: Language) -> None:
    """Make sure that a training ends when its learning rate has fallen to 0; raise ValueError if
    not."""
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
