"""A training that would go on after its learning rate has fallen to 0 does not begin."""

from typing import Callable

from spacy.language import Language


def RequireSteps() -> Callable[[Language], None]:
    """Make sure that `[training] max_steps` and the learning rate's schedule end together.
    Registered as `spacy-distill.RequireSteps.v1`, for `[initialize.before_init]`.

    RETURNS (Callable[[Language], None]): The check. It raises ValueError if they do not.
    """

    def check(nlp: Language) -> None:
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

    return check
