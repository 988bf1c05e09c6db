"""A comparison with everything that could break a page: markup, long words, right-to-left
scripts."""

import io

from spacy_distill.reports.comparison import compare
from tests.scripted_systems import corpora_for, gold_doc, scripted_system

SCRIPT = "<script>document.title = 'broken'</script>"
LONG_WORD = "Donaudampfschiffahrtsgesellschaft" * 12
LONG_LABEL = "AN_EXTREMELY_LONG_LABEL_OF_AN_ONTOLOGY_THAT_SOMEBODY_MAINTAINS"
LABELS = ["PER", "<b>&amp;", "$x_{1}$", "🙂", "מקום", "{text}", LONG_LABEL]
TEXTS = [
    (f"Anna sees {SCRIPT} & sails", [(SCRIPT, "<b>&amp;"), ("Anna", "PER")]),
    (f"In {LONG_WORD} it rains", [(LONG_WORD, LONG_LABEL)]),
    ("אנה גרה בתל אביב ליד הים", [("תל אביב", "מקום"), ("אנה", "PER")]),
    ("A 🙂 costs {0} or $5$", [("🙂", "🙂"), ("{0}", "{text}"), ("$5$", "$x_{1}$")]),
    ("word " * 2000 + "Oslo" + " word" * 2000, [("Oslo", "PER")]),
    (" \n\n ", []),
    ("Line\n\n\nbreaks of Anna\n", [("Anna", "PER")]),
]
# Many labels, as in an ontology, each with an entity that the teacher labels differently.
MANY = [f"TYPE_{number}" for number in range(33)]


def nasty_report(**settings):
    """Compare systems that disagree about all of these."""
    texts = [*TEXTS, *((f"Word{label} is one", [(f"Word{label}", label)]) for label in MANY)]
    gold = [gold_doc(text, entities) for text, entities in texts]
    known = [entity for _, entities in texts for entity in entities]
    right = [[text, label, 0.05 + (7 * i % 20) / 21] for i, (text, label) in enumerate(known)]
    shifted = [[text, known[i - 1][1], None] for i, (text, _) in enumerate(known)]
    systems = [
        scripted_system("student", right),
        scripted_system("teacher", shifted),
        scripted_system("baseline", right[::2]),
    ]
    settings = {"rounds": 1, "resamples": 100, "data": "x" * 200, **settings}
    runs = [
        {"name": f"{'run' * 30}{n}", "steps": [1, 200000], "seconds": [1, 9e4], "f1": [0.0, 0.9]}
        for n in range(8)
    ]
    corpora = corpora_for(systems, gold)
    return compare(systems, corpora, runs=runs, stderr=io.StringIO(), **settings)


def plain_report():
    """Compare a student alone, without any optional part."""
    student = scripted_system("student", [["Oslo", "LOC", None]])
    corpora = corpora_for([student], [gold_doc("In Oslo", [("Oslo", "LOC")])])
    return compare([student], corpora, data="a", rounds=0, stderr=io.StringIO())
