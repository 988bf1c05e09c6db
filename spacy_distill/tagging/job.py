"""How text is tagged: the plan of a job, and what writes its shards."""

from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

from spacy.language import Language
from spacy.util import is_package

from ..checks import require_device
from ..corpora.inputs import InputDocument
from ..corpora.shard_manifest import ShardEntry, shard_name, write_atomically
from ..jobs.memory_zones import memory_zones, pipelines_with_zones
from ..jobs.plan import Advance, Skipped, Written, code_hash, installed_versions
from ..loading import import_code, load_pipeline
from ..names import similar_name_hint
from ..pipeline.chain_ner import ChainNER
from ..pipeline.confidences import with_confidences
from ..teachers.identity import pipeline_fingerprint
from ..teachers.written_attributes import entity_labels
from ..threads import one_blas_thread
from .shard_files import FORMATS, ShardFile
from .tagger import Tagger


def require_pipeline(model: Union[str, Path]) -> None:
    """Raise ValueError if there is no such package or folder."""
    if not is_package(str(model)) and not Path(model).is_dir():
        raise ValueError(
            f"[D436] There is no pipeline '{model}': no such folder, and no such spaCy package is "
            f"installed.{similar_name_hint(str(model))} Correct the path, or install the package."
        )


@dataclass(frozen=True)
class Tagging:
    """How text is tagged: the arguments of `tag`, apart from input and output."""

    model: str
    keep: Tuple[str, ...]
    file_format: str
    confidence: bool
    min_confidence: Optional[float]
    batch_size: Optional[int]
    shard_size: int
    limit: int
    threads: Optional[int]
    code: Optional[Path]
    use_gpu: int
    max_errors: int

    def settings(self) -> Dict[str, Any]:
        """Collect the settings that a manifest keeps, as plain data. The size of a batch is none of
        them, so that a run can continue with smaller ones."""
        return {
            "keep": list(self.keep),
            "format": self.file_format,
            "confidence": self.confidence,
            "min_confidence": self.min_confidence,
            "shard_size": self.shard_size,
            "limit": self.limit,
            "gpu": self.use_gpu >= 0,
            "code": code_hash(self.code),
            "versions": installed_versions(),
        }

    @property
    def max_documents(self) -> int:
        """The maximum number of documents; 0 for no limit."""
        return self.limit

    def identity(self) -> Dict[str, Any]:
        """Collect what has to be the same on all machines."""
        return {
            "pipeline": pipeline_fingerprint(self.model),
            "set of versions": installed_versions(),
            "code": code_hash(self.code),
        }

    def select(self, documents: Iterable[InputDocument]) -> Iterator[InputDocument]:
        """Choose the documents up to the limit."""
        return islice(documents, self.limit or None)

    def load(self) -> "PlanTagger":
        """Load the pipeline."""
        import_code(self.code)
        require_device(self.use_gpu)
        nlp = load_pipeline(self.model)
        chains = [pipe for _, pipe in nlp.pipeline if isinstance(pipe, ChainNER)]
        if (self.confidence or self.min_confidence is not None) and not chains:
            raise ValueError(
                f"[D435] The pipeline '{self.model}' has no component that computes confidences: "
                f"found {', '.join(nlp.pipe_names) or 'none'}, expected a ner_student or "
                "ner_teacher. Leave out --confidence and --min-confidence, or use a student."
            )
        for pipe in chains:
            pipe.threads = self.threads or pipe.threads
            if self.min_confidence is not None:
                pipe.min_confidence = self.min_confidence
        return PlanTagger(self, nlp)

    def writer(self, folder: Path, advance: Advance) -> "TagWriter":
        """Load the pipeline and create a writer of shards."""
        return TagWriter(self.load(), folder, advance)


class Tagged(NamedTuple):
    """What was added to a file: numbers, and the documents that the pipeline failed on."""

    documents: int
    tokens: int
    entities: int
    skipped: List[Skipped]


class PlanTagger:
    """Finds the entities of documents as a plan says, and adds them to a file."""

    def __init__(self, plan: Tagging, nlp: Language) -> None:
        """plan (Tagging): How text is tagged. nlp (Language): The pipeline."""
        self.plan = plan
        self.nlp = nlp
        self.zones = pipelines_with_zones([nlp])
        self._has_frequent_words = False
        self._tagger = Tagger(
            nlp, batch_size=plan.batch_size or nlp.batch_size, max_errors=plan.max_errors
        )

    def tag(self, documents: Sequence[InputDocument], file: ShardFile, advance: Advance) -> Tagged:
        """Find the entities of documents and add them to a file."""
        skipped: List[Skipped] = []
        n_documents = n_tokens = n_entities = 0
        confidences = with_confidences(self.nlp) if self.plan.confidence else nullcontext()
        # spaCy's tokenizer remembers the tokens of a word only outside of zones. So the first shard
        # is read without one, and the frequent words need not be split again in each later shard.
        zones = self.zones if self._has_frequent_words else []
        self._has_frequent_words = True
        with confidences, memory_zones(zones), one_blas_thread():
            for document, doc in self._tagger.read(documents, advance, skipped):
                n_documents += 1
                n_tokens += len(doc)
                n_entities += len(doc.ents)
                file.add(document, doc)
        return Tagged(n_documents, n_tokens, n_entities, skipped)


class TagWriter:
    """Finds the entities of documents and writes them as a shard."""

    def __init__(self, tagger: PlanTagger, folder: Path, advance: Advance) -> None:
        """Create the writer.

        tagger (PlanTagger): Finds the entities.
        folder (Path): The output folder.
        advance (Advance): Called after each batch.
        """
        self.labels = entity_labels(tagger.nlp)
        self.has_zones = bool(tagger.zones)
        self.tagger = tagger
        self._folder = folder
        self._advance = advance

    def __call__(self, number: int, documents: List[InputDocument], input_hash: str) -> Written:
        """Find the entities of a shard's documents and write them."""
        plan = self.tagger.plan
        file = FORMATS[plan.file_format](plan.keep, plan.confidence)
        name = shard_name(number, file.extension)
        tagged = self.tagger.tag(documents, file, self._advance)
        entry = ShardEntry(
            file=name,
            documents=tagged.documents,
            tokens=tagged.tokens,
            entities=tagged.entities,
            sha256=write_atomically(self._folder / name, file.write),
            input_hash=input_hash,
            skipped=len(tagged.skipped),
            skipped_ids=[document.id for document in tagged.skipped],
        )
        return entry, tagged.skipped
