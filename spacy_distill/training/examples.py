"""Read the corpora of a training, and check that students can learn from them."""

from itertools import islice
from typing import IO, Any, Dict, Iterable, List, Mapping

from spacy.language import Language
from spacy.training import Example

from ..corpora.labeled import MixedReader
from ..corpora.soft_targets import USER_DATA_KEY
from ..progress import ProgressBar
from ..teachers import CachedTeacher, SoftTeacher, Teacher
from ..teachers.no_teacher import NoTeacher
from .corpus import (
    Reader,
    find_corpus,
    is_labeled,
    read_corpus,
    warn_of_unknown_labels,
    with_student_tokens,
)
from .passes import draw_for_steps, message_on_passes
from .silver import with_teacher_entities
from .skipped import SkippedDocuments


def read_development(
    nlp: Language,
    teachers: Mapping[str, Teacher],
    name: str,
    skipped: SkippedDocuments,
    stdout: IO,
    stderr: IO,
) -> Reader:
    """Read the development corpus. Without gold entities it gets those of the teachers.

    nlp (Language): The pipeline of the students.
    teachers (Mapping[str, Teacher]): The teacher of each student.
    name (str): The name of the corpus in the config, such as "corpora.dev".
    skipped (SkippedDocuments): Counts the documents that a teacher fails on.
    stdout, stderr (IO): Streams for warnings and progress.
    RETURNS (Reader): The corpus.
    """
    config = nlp.config.interpolate()
    corpus = find_corpus(config, name)
    labels = {label for _, pipe in nlp.pipeline for label in getattr(pipe, "labels", ())}
    warn_of_unknown_labels(labels, read_corpus(corpus, nlp, config, name), name, stdout)
    return with_teacher_entities(corpus, nlp, teachers, skipped, stderr)


def read_training(
    nlp: Language,
    teachers: Mapping[str, Teacher],
    name: str,
    skipped: SkippedDocuments,
    stdout: IO,
    stderr: IO,
) -> List[Example]:
    """Read the training corpus into memory, and let the teachers predict the documents that its
    steps will read.

    nlp, teachers, name, skipped, stdout, stderr: As for `read_development`.
    RETURNS (List[Example]): The examples, with the students' tokens. Their number is written into
        `nlp.meta`.
    RAISES (ValueError): The students cannot learn from a document, or the teachers failed on all.
    """
    config = nlp.config.interpolate()
    corpus = find_corpus(config, name)
    examples = list(with_student_tokens(read_corpus(corpus, nlp, config, name)))
    require_annotation(nlp, teachers, examples, f"the corpus '{name}'")
    block = config["distillation"]
    if not any(isinstance(teacher, NoTeacher) for teacher in teachers.values()):
        draw = draw_for_steps(examples, block, config["training"]["seed"])
        stdout.write(message_on_passes(sum(map(len, examples)), draw.words_per_step, block))
        examples = draw.examples
    examples = read_by_teachers(teachers, examples, skipped, name, stderr)
    nlp.meta["distillation"]["documents"] = count_documents(examples)
    return examples


def open_stream(nlp: Language, teachers: Mapping[str, Teacher], name: str) -> Reader:
    """Open a training corpus that is read anew in each pass. Its labeled documents are checked, and
    their number is written into `nlp.meta`.

    nlp, teachers, name: As for `read_development`.
    RETURNS (Reader): The corpus.
    RAISES (ValueError): The corpus is empty, or students cannot learn from a labeled document.
    """
    config = nlp.config.interpolate()
    corpus = find_corpus(config, name)
    # spaCy would read an empty stream forever.
    read_corpus(lambda _: islice(corpus(nlp), 1), nlp, config, name)
    if isinstance(corpus, MixedReader):
        # Check them now, not when the stream reaches them.
        labeled = list(with_student_tokens(corpus.labeled(nlp)))
        where = f"the labeled documents of the corpus '{name}'"
        require_annotation(nlp, teachers, labeled, where)
        counts: Dict[str, Any] = {"labeled": count_annotated(labeled), "unlabeled": None}
        nlp.meta["distillation"]["documents"] = counts
    return corpus


def require_annotation(
    nlp: Language, teachers: Mapping[str, Teacher], examples: Iterable[Example], where: str
) -> None:
    """Raise ValueError if students cannot learn from a document: it has an unknown label, or
    nothing that a soft corpus could teach.

    nlp (Language): The pipeline of the students.
    teachers (Mapping[str, Teacher]): The teacher of each student.
    examples (Iterable[Example]): The documents, with the student's tokens.
    where (str): The corpus of the documents, for errors.
    """
    is_soft = any(isinstance(teacher, SoftTeacher) for teacher in teachers.values())
    for number, example in enumerate(examples, start=1):
        doc = example.reference
        named = f"Document {number} of {where}, '{doc.text[:40].strip()}',"
        for name in teachers:
            known = nlp.get_pipe(name).labels  # type: ignore[attr-defined]
            for label in sorted({span.label_ for span in doc.ents}.difference(known)):
                raise ValueError(
                    f"[D503] {named} has the label '{label}', but the labels are: "
                    f"{', '.join(known)}. Take the label out of the annotation, or add a teacher "
                    "that has it."
                )
        has_targets = USER_DATA_KEY in doc.user_data or doc.has_annotation("ENT_IOB")
        if is_soft and len(doc) and not has_targets:
            raise ValueError(
                f"[D504] {named} has no annotation that fits the student's tokens, and no "
                "predictions of the soft corpus that teaches: only spacy-distill.SoftCorpus.v1 "
                "reads these. Annotate the document, or leave it out."
            )


def read_by_teachers(
    teachers: Mapping[str, Teacher],
    examples: List[Example],
    skipped: SkippedDocuments,
    corpus: str,
    stderr: IO,
) -> List[Example]:
    """Let teachers predict all documents into their caches, and return the examples that none of
    them failed on. Raise ValueError if there is no such example."""
    docs = [example.reference for example in examples]
    for teacher in teachers.values():
        if isinstance(teacher, CachedTeacher):
            n_unread = len(teacher.unread(docs))
            with ProgressBar(desc="Teacher reads", total=n_unread, stream=stderr) as bar:
                teacher.read(docs, bar.update, skipped.add)
    examples = skipped.without(examples)
    if not examples:
        raise ValueError(
            f"[D519] The teacher failed on all documents of the corpus '{corpus}', so there is "
            "nothing to learn from. Correct the teacher or the corpus."
        )
    return examples


def count_documents(examples: Iterable[Example]) -> Dict[str, int]:
    """Count the "labeled" and "unlabeled" documents of a corpus in memory. A mixed corpus repeats
    its labeled documents, but each counts once."""
    labeled = count_annotated({id(example): example for example in examples}.values())
    return {"labeled": labeled, "unlabeled": sum(1 for one in examples if not is_labeled(one))}


def count_annotated(examples: Iterable[Example]) -> int:
    """Count the examples whose reference documents are annotated, with entities or without."""
    return sum(map(is_labeled, examples))
