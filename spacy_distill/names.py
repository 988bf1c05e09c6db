"""Names that a person gives: `hf:` names what is on the hub, all else is on this machine."""

import difflib
import re
from pathlib import Path
from typing import List, Optional, Union

from spacy.util import get_installed_models

# Only a name that begins so is looked up on the hub: a typing error in a path must not load a
# stranger's model.
HUB_PREFIX = "hf:"
MODEL_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)


def is_on_hub(name: Union[str, Path]) -> bool:
    """RETURNS (bool): Whether a name is one on the Hugging Face hub."""
    return str(name).startswith(HUB_PREFIX)


def model_place(name: Union[str, Path]) -> str:
    """Find out where transformers has to load a model from.

    name (Union[str, Path]): A folder, or `hf:OWNER/NAME`.
    RETURNS (str): The folder, or the name on the hub without its prefix.
    RAISES (ValueError): There is no such folder, or it is no name on the hub, or a folder stands in
        its place.
    """
    if not is_on_hub(name):
        if not Path(name).exists():
            raise ValueError(
                f"[D292] There is no model '{name}': found no such folder.{hint_of(name)} Correct "
                "the path, or write hf:OWNER/NAME for a model on the Hugging Face hub."
            )
        return str(name)
    place = str(name).removeprefix(HUB_PREFIX)
    if not MODEL_NAME.fullmatch(place):
        raise ValueError(
            f"[D290] '{name}' is no model on the Hugging Face hub: expected hf:OWNER/NAME. Correct "
            "the name, or leave out hf: to name a folder."
        )
    if Path(place).exists():
        raise ValueError(
            f"[D291] '{name}' is a model on the Hugging Face hub, but transformers would read "
            f"'{place}' here instead. Leave out hf: to name that folder, or work in another one."
        )
    return place


def hint_of(name: Union[str, Path]) -> str:
    """RETURNS (str): A sentence that tells what is nearest to a name that nothing has; "" if
    nothing is near."""
    near = nearest(name)
    return "" if near is None else f" The nearest is '{near}'."


def nearest(name: Union[str, Path]) -> Optional[str]:
    """Look for the path or the installed pipeline that is spelled most like a name.

    name (Union[str, Path]): A name that nothing has.
    RETURNS (Optional[str]): What could have been meant; None if nothing is near.
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
    """RETURNS (List[str]): The names in a folder; none where it cannot be read."""
    try:
        return sorted(item.name for item in folder.iterdir())
    except OSError:
        return []
