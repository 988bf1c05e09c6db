"""The manifest of a folder of entities."""

from dataclasses import dataclass
from typing import Any, Dict

from ..corpora.shard_manifest import ShardManifest, is_origin
from .shard_files import FORMATS


@dataclass(kw_only=True)
class TagManifest(ShardManifest):
    """The origin and the shards of a folder of entities.

    labels (List[str]): The labels of the components that write entities, if these list them.
    pipeline (Dict[str, str]): The pipeline's name, version and content hash.
    """

    pipeline: Dict[str, Any]

    # Readers of tables skip files whose name begins with "_", so they can read the whole folder.
    FILE = "_manifest.json"
    FORMAT = 1
    EXTENSIONS = tuple(file.extension for file in FORMATS.values())
    KIND = "result of distill-tag"
    MAKER = "pipeline"
    COMMAND = "distill-tag"

    def identity(self) -> Dict[str, Any]:
        """List what must not change between runs, by its name in errors."""
        return {"the pipeline": self.pipeline["hash"], **super().identity()}

    def problem(self) -> str:
        is_named = is_origin(self.pipeline)
        return super().problem() if is_named else "pipeline has no name, version and hash"
