"""What is read off spaCy's `ner` is held against what spaCy itself does."""

import itertools
import time

import pytest
def test_speed(train_ner, random_docs):
    t=time.time()
    nlp = train_ner()
    print("train", time.time()-t)
    from spacy_distill.teachers.transition_ner import TransitionTeacher
    from spacy_distill.chain import BiluoTags
    t=time.time()
    docs = random_docs(nlp.vocab, 400)
    teacher=TransitionTeacher(nlp.get_pipe("ner"))
    chain=teacher.predict_chain(docs)
    print("pred", time.time()-t)
    best=chain.argmax()
    end=0
    bad=0; n=0
    for doc in docs:
        start,end=end,end+len(doc)
        spans=BiluoTags(teacher.labels).spans(best[start:end])
        e=[(s.start,s.end,s.label_) for s in nlp(doc.copy()).ents]
        n+=len(e)
        if spans!=e:
            bad+=1; print(doc.text.split(), spans, e)
    print(bad, n, len(docs))
