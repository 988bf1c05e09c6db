"""Distillation from raw text: what it needs before the training, and the student for apps."""

from pathlib import Path
from random import Random
from typing import IO, Any, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

import spacy
from spacy.language import Language
from spacy.tokens import DocBin
from thinc.api import Config
from wasabi import Printer

from ..corpora.input_documents import InputDocument
from ..corpora.inputs import Input
from ..corpora.labeled import require_path
from ..evaluation import summary
from ..evaluation.card import save_with_card
from ..jobs.folder import require_outside
from ..loading import load_pipeline
from ..saving import replaced_directory, save_pipeline
from ..teachers import SoftTeacher, Teacher
from ..teachers.protocol import TeacherSource
from ..vectors import distill_vectors
from ..vectors.distill_vectors import make_docs
from ..vectors.word_encoder import NoTransformerError
from .compact import can_be_compact, compact
from .corpus import read_scored
from .output_folder import DEVELOPMENT, MODEL_BEST, STUDENT, TEXT, VECTORS

# The share of the text that is held out for development, and the maximum number of its documents.
DEV_SHARE = 0.1
MOST_DEV = 500
# Settings of [paths] that are filled in.
PATHS = ("unlabeled", "dev", "vectors")
MESSAGE = Printer(no_print=True)


def with_text(
    config: Config,
    text: Union[str, Path, Input],
    sources: Sequence[TeacherSource],
    teachers: Mapping[str, Teacher],
    output: Optional[Path],
    *,
    use_gpu: int = -1,
    matmul_precision: Optional[str] = None,
    keep_vectors: bool = False,
    stdout: IO,
) -> Config:
    """Write text and word vectors next to the models, and name them in a student's config.

    A part of the text is held out if the development corpus follows `[paths] dev`, which is not
    set. Word vectors are made if the config names none, and one of the teachers has a transformer.

    config (Config): The student's config, which is not changed.
    text (Union[str, Path, Input]): The text, or what `Input` reads it from.
    sources (Sequence[TeacherSource]): The teachers, as `load_teacher` takes them.
    teachers (Mapping[str, Teacher]): The same teachers, loaded.
    output (Optional[Path]): The folder of the models.
    use_gpu (int): GPU id, -1 for the CPU.
    matmul_precision (Optional[str]): As in `distill_vectors`.
    keep_vectors (bool): Whether to use word vectors that are in the folder already.
    stdout (IO): Stream for messages.
    RETURNS (Config): The config with `[paths]` unlabeled, dev and vectors.
    RAISES (ValueError): The config or a teacher cannot be combined with text, the text cannot be
        read, or it has too few documents.
    """
    settings = config.interpolate()
    paths = settings.get("paths", {})
    require_text_settings(config, teachers)
    if output is None:
        raise ValueError(
            "[D118] Distillation from text needs a folder for the text and the word vectors: found "
            "no output. Name one."
        )
    documents = text if isinstance(text, Input) else Input(text)
    require_outside(output, documents.source)
    train = list(documents)
    dev: List[InputDocument] = []
    needs_dev = paths["dev"] is None and follows_dev_path(config)
    n_texts, least = len({document.text for document in train}), 2 if needs_dev else 1
    if n_texts < least:
        raise ValueError(
            f"[D336] The input '{documents.source}' has too little text: found {n_texts} different "
            f"documents that are not blank, expected {least} or more. Correct the path, or give "
            "more text."
        )
    if needs_dev:
        train, dev = hold_out(train, settings["training"].get("seed") or 0)
    lang, folder = settings["nlp"]["lang"], output / TEXT
    write_text(folder, {"train": train, "dev": dev}, lang)
    held = f", {len(dev):,} held out for development" if dev else ""
    stdout.write(MESSAGE.info(f"{len(train):,} documents to learn from{held}: {folder}") + "\n")
    filled = {"unlabeled": str(folder / "train.spacy")}
    if dev:
        filled["dev"] = str(folder / "dev.spacy")
    no_vectors = settings.get("initialize", {}).get("vectors") is None
    if no_vectors and follows(config, "initialize.vectors", "vectors"):
        has_vectors = keep_vectors and (output / VECTORS).is_dir()
        if not has_vectors:
            found = make_teacher_vectors(
                sources, train, lang, stdout, use_gpu=use_gpu, matmul_precision=matmul_precision
            )
            has_vectors = found is not None
            if found is not None:
                save_pipeline(found, output / VECTORS)
        if has_vectors:
            filled["vectors"] = str(output / VECTORS)
    return Config(config, is_interpolated=False).merge({"paths": filled})


def require_text_settings(config: Config, teachers: Mapping[str, Teacher]) -> None:
    """Raise ValueError if a distillation cannot be combined with text.

    config (Config): The student's config, in which variables are not filled in.
    teachers (Mapping[str, Teacher]): The teachers.
    """
    settings = config.interpolate()
    paths = settings.get("paths", {})
    missing = [name for name in PATHS if name not in paths]
    if missing:
        raise ValueError(
            f"[D116] [paths] of the student's config has no setting '{missing[0]}', which --text "
            f"fills in: expected {', '.join(PATHS)}. Take a config of `distill-init --kind "
            "student`, or leave the config out."
        )
    if paths["unlabeled"] is not None:
        raise ValueError(
            f"[D117] --text and [paths] unlabeled ('{paths['unlabeled']}') both name unlabeled "
            "documents. Leave out one of them."
        )
    corpus = settings["distillation"]["corpus"]
    if not follows(config, corpus, "unlabeled"):
        raise ValueError(
            f"[D128] The corpus of the distillation, [{corpus}], does not read "
            "${paths.unlabeled}, which --text fills in. Write it into the corpus, or leave out "
            "--text."
        )
    if any(isinstance(teacher, SoftTeacher) for teacher in teachers.values()):
        raise ValueError(
            "[D217] A soft corpus has predictions for its own text only, so it cannot teach on "
            "--text. Name the teacher that wrote it, or leave out --text."
        )
    for name in ("train", "dev"):
        # Now, and not after hours of word vectors.
        require_path(paths.get(name), name)


def follows_dev_path(config: Config) -> bool:
    """RETURNS (bool): Whether the development corpus of a config is in `[paths] dev`."""
    return follows(config, config["training"]["dev_corpus"], "dev")


def follows(config: Config, place: str, name: str) -> bool:
    """RETURNS (bool): Whether a block or setting of a config, such as "corpora.dev", has the value
    of [paths] with this name."""
    section, _, key = str(place).partition(".")
    return f"${{paths.{name}}}" in str(config.get(section, {}).get(key))


def hold_out(
    documents: Sequence[InputDocument], seed: int
) -> Tuple[List[InputDocument], List[InputDocument]]:
    """Draw documents for development: DEV_SHARE of them, and at most MOST_DEV.

    documents (Sequence[InputDocument]): The documents, with two different texts or more. Documents
        with the same text count once.
    seed (int): The seed of the draw.
    RETURNS (Tuple[List[InputDocument], List[InputDocument]]): The documents to learn from and those
        for development, both in the order of the text. No text is in both.
    """
    texts = list(dict.fromkeys(document.text for document in documents))
    n_dev = min(max(round(DEV_SHARE * len(texts)), 1), MOST_DEV)
    held = set(Random(seed).sample(texts, n_dev))
    dev = {document.text: document for document in documents if document.text in held}
    return [document for document in documents if document.text not in held], list(dev.values())


def write_text(folder: Path, parts: Mapping[str, Sequence[InputDocument]], lang: str) -> None:
    """Write a `.spacy` file of each part that has documents, and replace the folder atomically.

    folder (Path): The folder.
    parts (Mapping[str, Sequence[InputDocument]]): The documents, by the name of the file.
    lang (str): The language of the tokenizer.
    """
    nlp = spacy.blank(lang)
    with replaced_directory(folder) as unfinished:
        for name, part in parts.items():
            if part:
                docs = DocBin(attrs=["ORTH"], docs=make_docs(part, nlp))
                docs.to_disk(unfinished / f"{name}.spacy")


def make_teacher_vectors(
    sources: Sequence[TeacherSource],
    documents: Iterable[InputDocument],
    lang: str,
    stdout: IO,
    **options: Any,
) -> Optional[Language]:
    """Make word vectors of the first teacher that has a transformer.

    sources (Sequence[TeacherSource]): The teachers.
    documents (Iterable[InputDocument]): The text.
    lang (str): The student's language.
    stdout (IO): Stream for messages.
    **options (Any): Other options of `distill_vectors`.
    RETURNS (Optional[Language]): A blank pipeline with the vectors. None, with a warning, if no
        teacher has a transformer.
    """
    reason = "the teacher is neither a pipeline nor a Hugging Face model"
    for source in sources:
        if not isinstance(source, (str, Path, Language)):
            continue
        teacher = source if isinstance(source, Language) else str(source)
        try:
            nlp = distill_vectors(teacher, documents, lang=lang, **options)
        except NoTransformerError as error:
            reason = str(error)
            continue
        stdout.write(MESSAGE.info(f"Made vectors of {nlp.vocab.vectors.n_keys:,} words") + "\n")
        return nlp
    title = "[D915] The student has no word vectors, since no teacher has a transformer for them"
    text = (
        "Make some of any transformer with `python -m spacy distill-vectors`, and name them with "
        f"--paths.vectors. {reason}"
    )
    stdout.write(MESSAGE.warn(title, text) + "\n")
    return None


def save_student(output: Path, config: Config, bits: int, stdout: IO) -> None:
    """Save the best student for apps: compact if it has word vectors, and with a model card.

    output (Path): The folder of the models, in which the student gets a folder too.
    config (Config): The student's config, which names the development corpus. If this has no
        entities, those of the teacher count.
    bits (int): The bits per value of compact word vectors.
    stdout (IO): Stream for messages.
    """
    nlp = load_pipeline(output / MODEL_BEST)
    if can_be_compact(nlp):
        nlp = compact(nlp, bits=bits)
    examples = read_scored(nlp, output)
    settings = config.interpolate()
    if (output / DEVELOPMENT).exists():
        data = f"the teacher's entities in {len(examples):,} development documents"
    elif follows_dev_path(config):
        data = Path(settings["paths"]["dev"]).name
    else:
        data = str(settings["training"]["dev_corpus"])
    meta = save_with_card(nlp, examples, output / STUDENT, data=data)
    saved = f"Saved the student for apps, with its card: {output / STUDENT}"
    stdout.write(MESSAGE.good(saved, summary(meta)) + "\n")
