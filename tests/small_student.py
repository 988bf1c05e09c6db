"""The part of a config that describes a small student. Its language has few exceptions of the
tokenizer: a third of a short training would be spent on the 1,300 of English."""

SMALL_STUDENT = """
[nlp]
lang = "xx"
pipeline = ["ner_student"]

[components]

[components.ner_student]
factory = "ner_student"

[components.ner_student.model]

[components.ner_student.model.embed]

[components.ner_student.model.embed.features]
width = 8

[components.ner_student.model.embed.characters]
filters = %(filters)d

[components.ner_student.model.encode]
width = %(width)d
depth = 1
"""
