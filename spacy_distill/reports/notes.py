"""What the reader of a report has to keep in mind about its figures."""

from typing import Any, List, Mapping

from ..evaluation.bootstrap import FEWEST_DOCUMENTS

# Intervals out of fewer documents say little.
FEW_DOCUMENTS = 20


def notes_on(found: Mapping[str, Any]) -> List[str]:
    """Write notes about the test set, the systems and the machine.

    found (Mapping[str, Any]): What report.json has.
    RETURNS (List[str]): Sentences.
    """
    notes: List[str] = []
    data, systems = found["data"], found["systems"]
    if data["documents"] == 1:
        notes.append("The test set is one document: no interval can be made of it.")
    elif data["documents"] < FEWEST_DOCUMENTS:
        notes.append(
            f"The test set has {data['documents']} documents: no interval can be made of so few."
        )
    elif data["documents"] < FEW_DOCUMENTS:
        notes.append(
            f"The test set has {data['documents']} documents: intervals of so few are too narrow."
        )
    if data["unannotated_words"]:
        notes.append(
            f"{data['unannotated_words']:,} of {data['words']:,} words are not annotated "
            f"({data['unannotated_documents']:,} whole documents): what is found there counts "
            "neither as right nor as wrong."
        )
    gold = set(data["entities_per_label"])
    for system in systems:
        predicted = {label: of["predicted"] for label, of in system["per_label"].items()}
        extra = {label: n for label, n in predicted.items() if n and label not in gold}
        if extra:
            notes.append(
                f"The {system['role']} finds {', '.join(extra)}, which the test set does not "
                f"have: {sum(extra.values()):,} of its entities count as wrong for that."
            )
        unheard = sorted(gold - set(system["labels"])) if system["labels"] else []
        if unheard:
            notes.append(f"The {system['role']} does not know {', '.join(unheard)}.")
        if not any(predicted.values()):
            notes.append(f"The {system['role']} finds no entity at all.")
    # Processor time is that of all threads, and they spend some of it waiting for each other.
    if found["speed"]["rounds"] and not found["speed"]["one_thread"]:
        notes.append(
            "threadpoolctl is not installed, and OMP_NUM_THREADS was not 1: where numpy used "
            "several threads, a system is faster on one core than is said here."
        )
    return notes
