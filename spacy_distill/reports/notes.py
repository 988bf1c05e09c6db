"""Notes on the limits of a report: its test set, labels and measurements."""

from typing import Any, List, Mapping

from ..evaluation.bootstrap import FEWEST_DOCUMENTS

# With fewer documents, intervals are too narrow.
FEW_DOCUMENTS = 20


def notes_on(found: Mapping[str, Any]) -> List[str]:
    """Write notes about the test set, the systems and the machine.

    found (Mapping[str, Any]): The content of report.json.
    RETURNS (List[str]): The notes, sentences of the page.
    """
    notes: List[str] = []
    data, systems = found["data"], found["systems"]
    if data["documents"] == 1:
        notes.append("The test set is one document, which is too few for intervals.")
    elif data["documents"] < FEWEST_DOCUMENTS:
        notes.append(
            f"The test set has {data['documents']} documents, which are too few for intervals."
        )
    elif data["documents"] < FEW_DOCUMENTS:
        notes.append(
            f"The test set has only {data['documents']} documents, so intervals are too narrow."
        )
    if data["unannotated_words"]:
        notes.append(
            f"{data['unannotated_words']:,} of {data['words']:,} words are not annotated "
            f"({data['unannotated_documents']:,} whole documents). Entities there count neither as "
            "right nor as wrong."
        )
    gold = set(data["entities_per_label"])
    for system in systems:
        predicted = {label: of["predicted"] for label, of in system["per_label"].items()}
        extra = {label: n for label, n in predicted.items() if n and label not in gold}
        if extra:
            notes.append(
                f"The {system['role']} finds {', '.join(extra)}, which the test set does not "
                f"have. These entities count as wrong: {sum(extra.values()):,}."
            )
        unknown = sorted(gold - set(system["labels"])) if system["labels"] else []
        if unknown:
            notes.append(f"The {system['role']} does not know {', '.join(unknown)}.")
        if not any(predicted.values()):
            notes.append(f"The {system['role']} finds no entity at all.")
    # Several threads spend some of their processor time waiting for each other.
    if found["speed"]["rounds"] and not found["speed"]["one_thread"]:
        notes.append(
            "threadpoolctl is not installed, and OMP_NUM_THREADS was not 1. If numpy used several "
            "threads, systems are faster on one core than measured here."
        )
    return notes
