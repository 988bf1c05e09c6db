"""Names of pipelines and models: `hf:OWNER/NAME` on the Hugging Face hub, or local paths."""

import difflib
import re
from pathlib import Path
from typing import List, Optional, Union

from spacy.util import get_installed_models

# Only names with this prefix are looked up on the hub: a typing error in a path must not download a
# stranger's model.
HUB_PREFIX = "hf:"
MODEL_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)


def is_on_hub(name: Union[str, Path]) -> bool:
    """RETURNS (bool): Whether a name begins with `hf:`."""
    return str(name).startswith(HUB_PREFIX)


def model_location(name: Union[str, Path]) -> str:
    """Find the folder or hub name from which transformers loads a model.

    name (Union[str, Path]): A folder, or `hf:OWNER/NAME`.
    RETURNS (str): The folder, or the name on the hub without its prefix.
    RAISES (ValueError): There is no such folder, the name after `hf:` is malformed, or it is also a
        local path.
    """
    if not is_on_hub(name):
        if not Path(name).exists():
            raise ValueError(
                f"[D292] There is no model '{name}': found no such "
                f"folder.{similar_name_hint(name)} Correct the path, or write hf:OWNER/NAME for a "
                "model on the Hugging Face hub."
            )
        return str(name)
    place = str(name).removeprefix(HUB_PREFIX)
    if not MODEL_NAME.fullmatch(place):
        raise ValueError(
            f"[D290] '{name}' is not a model on the Hugging Face hub: expected hf:OWNER/NAME. "
            "Correct the name, or leave out hf: to name a folder."
        )
    if Path(place).exists():
        raise ValueError(
            f"[D291] '{name}' is a model on the Hugging Face hub, but transformers would read "
            f"'{place}' here instead. Leave out hf: to name that folder, or work in another folder."
        )
    return place


def similar_name_hint(name: Union[str, Path]) -> str:
    """RETURNS (str): A question that suggests the most similar name; "" if no name is similar."""
    similar = find_similar_name(name)
    return "" if similar is None else f" Did you mean '{similar}'?"


def find_similar_name(name: Union[str, Path]) -> Optional[str]:
    """Find the path or installed pipeline whose name is most similar to a wrong name.

    name (Union[str, Path]): A name that belongs to no file and no package.
    RETURNS (Optional[str]): The most similar name; None if no name is similar.
    """
    path = Path(name)
    if len(path.parts) == 1:
        packages = difflib.get_close_matches(str(name), get_installed_models(), 1)
        if packages:
            return packages[0]
    if not path.parts:
        return None
    found = Path(path.anchor)
    for part in path.parts[len(found.parts) :]:
        if part != ".." and not (found / part).exists():
            matches = difflib.get_close_matches(part, _entries(found), 1)
            if not matches:
                return None
            part = matches[0]
        found /= part
    return str(found)


def _entries(folder: Path) -> List[str]:
    """RETURNS (List[str]): The names in a folder; empty if the folder cannot be read."""
    try:
        return sorted(item.name for item in folder.iterdir())
    except OSError:
        return []
