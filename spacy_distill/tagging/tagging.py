"""How text is tagged: the plan of a job, and what writes its shards."""

from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

from spacy.language import Language

from ..checks import require_device
from ..corpora.inputs import InputDocument
from ..corpora.shard_manifest import ShardEntry, file_hash, shard_name, write_atomically
from ..jobs.memory_zones import memory_zones, pipelines_with_zones
from ..jobs.plan import Advance, Skipped, Written, installed_versions
from ..loading import import_code, load_pipeline
from ..pipeline.chain_ner import ChainNER
from ..pipeline.confidences import with_confidences
from ..teachers.written_attributes import entity_labels
from ..threads import one_blas_thread
from .shard_files import FORMATS
from .tagger import Tagger


@dataclass(frozen=True)
class Tagging:
    """How text is tagged: the arguments of `tag`, apart from input and output."""

    model: str
    keep: Tuple[str, ...]
    file_format: str
    confidence: bool
    batch_size: Optional[int]
    shard_size: int
    limit: int
    threads: Optional[int]
    code: Optional[Path]
    use_gpu: int
    max_errors: int

    def settings(self) -> Dict[str, Any]:
        """Collect the settings that a manifest keeps, as plain data."""
        return {
            "keep": list(self.keep),
            "format": self.file_format,
            "confidence": self.confidence,
            "batch_size": self.batch_size,
            "shard_size": self.shard_size,
            "limit": self.limit,
            "gpu": self.use_gpu >= 0,
            "code": None if self.code is None else file_hash(self.code),
            "versions": installed_versions(),
        }

    @property
    def max_documents(self) -> int:
        """The maximum number of documents; 0 for no limit."""
        return self.limit

    def select(self, documents: Iterable[InputDocument]) -> Iterator[InputDocument]:
        """Choose the documents up to the limit."""
        return islice(documents, self.limit or None)

    def writer(self, folder: Path, advance: Advance) -> "TagWriter":
        """Load the pipeline and create a writer of shards."""
        import_code(self.code)
        require_device(self.use_gpu)
        nlp = load_pipeline(self.model)
        chains = [pipe for _, pipe in nlp.pipeline if isinstance(pipe, ChainNER)]
        if self.confidence and not chains:
            raise ValueError(
                f"[D435] The pipeline '{self.model}' has no component that computes confidences: "
                f"found {', '.join(nlp.pipe_names) or 'none'}, expected a ner_student or "
                "ner_teacher. Leave out --confidence, or use a student."
            )
        for pipe in chains:
            pipe.threads = self.threads or pipe.threads
        return TagWriter(self, nlp, folder, advance)


class TagWriter:
    """Finds the entities of documents and writes them as a shard."""

    def __init__(self, plan: Tagging, nlp: Language, folder: Path, advance: Advance) -> None:
        """Create the writer.

        plan (Tagging): How text is tagged.
        nlp (Language): The pipeline.
        folder (Path): The output folder.
        advance (Advance): Called after each batch.
        """
        self.labels = entity_labels(nlp)
        self._plan = plan
        self._folder = folder
        self._advance = advance
        self._nlp = nlp
        self._zones = pipelines_with_zones([nlp])
        self._has_frequent_words = False
        self._tagger = Tagger(
            nlp, batch_size=plan.batch_size or nlp.batch_size, max_errors=plan.max_errors
        )

    def __call__(self, number: int, documents: List[InputDocument], input_hash: str) -> Written:
        """Find the entities of a shard's documents and write them."""
        file = FORMATS[self._plan.file_format](self._plan.keep, self._plan.confidence)
        name = shard_name(number, file.extension)
        skipped: List[Skipped] = []
        n_documents = n_tokens = n_entities = 0
        confidences = with_confidences(self._nlp) if self._plan.confidence else nullcontext()
        # spaCy's tokenizer remembers the tokens of a word only outside of zones. So the first shard
        # is read without one, and the frequent words need not be split again in each later shard.
        zones = self._zones if self._has_frequent_words else []
        self._has_frequent_words = True
        with confidences, memory_zones(zones), one_blas_thread():
            for document, doc in self._tagger.read(documents, self._advance, skipped):
                n_documents += 1
                n_tokens += len(doc)
                n_entities += len(doc.ents)
                file.add(document, doc)
            sha256 = write_atomically(self._folder / name, file.write)
        entry = ShardEntry(
            file=name,
            documents=n_documents,
            tokens=n_tokens,
            entities=n_entities,
            sha256=sha256,
            input_hash=input_hash,
            skipped=len(skipped),
            skipped_ids=[document.id for document in skipped],
        )
        return entry, skipped
