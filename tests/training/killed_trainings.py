"""A small training that kills itself, for the tests of resumption."""

import hashlib
import os
import signal

import numpy
from spacy.util import registry

from spacy_distill.chain import LinearChain
from spacy_distill.chain.biluo import constraints

SCHEDULE = {
    "@schedules": "warmup_linear.v1",
    "warmup_steps": 3,
    "initial_rate": 0.02,
    "total_steps": 20,
}
# Batches of four documents, so that an epoch has some steps.
BATCHER = {"@batchers": "spacy.batch_by_sequence.v1", "size": 4}
BLOCK = {"batcher": BATCHER, "dropout": 0.4, "max_steps": 10}


class Names:
    """Teaches that long words that begin with a capital letter are places. It is unsure by the
    word, and fails on a word if it is told to."""

    labels = ("PER", "LOC")

    def __init__(self, fails_on=None):
        self.fails_on = fails_on

    def predict_chain(self, docs):
        if any(token.text == self.fails_on for doc in docs for token in doc):
            raise RuntimeError(f"found {self.fails_on}")
        start, transitions, end = constraints(2)
        words = [token.text for doc in docs for token in doc]
        digests = [hashlib.sha256(word.encode()).digest()[:9] for word in words]
        emissions = numpy.asarray([list(digest) for digest in digests], dtype="float32") / 128
        emissions[:, 8] += [3.0 * word[0].isupper() for word in words]
        emissions[:, 0] += [3.0 * word[0].islower() for word in words]
        lengths = numpy.asarray([len(doc) for doc in docs])
        return LinearChain(emissions, lengths, transitions, start, end)


class Other(Names):
    """Another teacher."""


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


@registry.loggers("spacy-distill-tests.Killing.v1")
def killing(at: int):
    """Create a logger that kills the process at a step. It does so only once, as long as the
    variable of the environment is set."""

    def setup(nlp, stdout, stderr):
        def log_step(info):
            setup.steps += 1
            if setup.steps == at + 1 and "KILL" in os.environ:
                kill()

        return log_step, lambda: None

    setup.steps = 0
    return setup


def killed_at(step, every=5):
    logger = {"@loggers": "spacy-distill-tests.Killing.v1", "at": step}
    return {"logger": logger, "eval_frequency": every}


def trainer(quietly, config, folder):
    """Make a function that trains into a folder of a name. It takes changes of the config."""

    def train(output, *changes, source=None, **arguments):
        merged = config(distillation=BLOCK, training=killed_at(6))
        for change in changes:
            merged = merged.merge(change)
        source = Names() if source is None else source
        return quietly(source, merged, folder / output, **arguments)

    return train
