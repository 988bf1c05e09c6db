"""How a soft corpus is made of an input: the plan of a job, and what writes its shards."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

from ..checks import require_device
from ..corpora.augmentation import with_variants
from ..corpora.inputs import InputDocument
from ..corpora.shard_manifest import shard_name
from ..corpora.soft_shards import Shard, write_shard
from ..jobs.plan import SHARD_SIZE, Advance, Written, code_hash, installed_versions
from ..loading import import_code
from ..teachers.identity import fingerprint
from ..teachers.sources import DEFAULT_OPTIONS, TeacherOptions, TeacherSource, load_teacher
from .annotator import Annotator


@dataclass(frozen=True)
class Annotation:
    """How a soft corpus is made: the arguments of `annotate`, apart from input and output."""

    sources: Tuple[TeacherSource, ...]
    options: TeacherOptions = DEFAULT_OPTIONS
    lang: Optional[str] = None
    top_k: int = 8
    batch_size: int = 64
    shard_size: int = SHARD_SIZE
    limit: int = 0
    augment: int = 0
    words: Tuple[str, ...] = ()
    code: Optional[Path] = None
    use_gpu: int = -1
    max_errors: int = 0

    def settings(self) -> Dict[str, Any]:
        """Collect the settings that a manifest keeps, as plain data. The size of a batch is none of
        them, so that a run can continue with smaller ones."""
        data = {**asdict(replace(self, sources=(), words=(), code=None)), "gpu": self.use_gpu >= 0}
        data["code"] = code_hash(self.code)
        data["words"] = hashlib.sha256("\n".join(self.words).encode()).hexdigest()[:32]
        for name in ("sources", "batch_size", "use_gpu", "max_errors"):
            data.pop(name)
        # One by one, so that an error can name the one that differs.
        options = data.pop("options")
        data |= {f"{name} of teachers": value for name, value in options.items()}
        data["versions"] = installed_versions()
        return json.loads(json.dumps(data))

    @property
    def max_documents(self) -> int:
        """The maximum number of documents; 0 for no limit."""
        return self.limit * (1 + self.augment)

    def identity(self) -> Dict[str, Any]:
        """Collect what has to be the same on all machines."""
        return {
            "teacher": [fingerprint(source) for source in self.sources],
            "set of versions": installed_versions(),
            "code": code_hash(self.code),
        }

    def select(self, documents: Iterable[InputDocument]) -> Iterator[InputDocument]:
        """Choose the documents up to the limit, and add variants."""
        return with_variants(islice(documents, self.limit or None), self.augment, self.words)

    def writer(self, folder: Path, advance: Advance) -> "SoftShardWriter":
        """Load the teachers and create a writer of shards."""
        import_code(self.code)
        require_device(self.use_gpu)
        teacher = load_teacher(self.sources, self.options)
        annotator = Annotator(teacher, lang=self.lang, top_k=self.top_k, batch_size=self.batch_size)
        return SoftShardWriter(annotator, folder, self.max_errors, advance)


@dataclass(frozen=True)
class SoftShardWriter:
    """Annotates documents and writes them as a shard."""

    annotator: Annotator
    folder: Path
    max_errors: int
    advance: Advance

    @property
    def labels(self) -> Tuple[str, ...]:
        """The teacher's labels."""
        return tuple(self.annotator.teacher.labels)

    @property
    def has_zones(self) -> bool:
        """Whether the teachers' pipelines, if there are any, read in memory zones."""
        return self.annotator.has_zones

    def __call__(self, number: int, documents: List[InputDocument], input_hash: str) -> Written:
        """Annotate the documents of a shard and write it."""
        soft, entities, misfits, skipped = self.annotator.annotate(
            documents, self.advance, self.max_errors
        )
        name = shard_name(number)
        entry = Shard(
            file=name,
            documents=len(soft),
            tokens=sum(len(document.words) for document in soft),
            entities=entities,
            misfits=misfits,
            sha256=write_shard(self.folder / name, soft),
            input_hash=input_hash,
            skipped=len(skipped),
            skipped_ids=[document.id for document in skipped],
        )
        return entry, skipped
