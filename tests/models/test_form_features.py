"""Form features reject attributes that a word form does not have."""

import pytest

from spacy_distill.models.form_features import FormFeatures


def test_form_features_rejects_unknown_attributes():
    with pytest.raises(ValueError, match=r"no attribute TAG, NONSENSE\. Choose from: .*SHAPE"):
        FormFeatures(4, {"LOWER": 10, "TAG": 10, "NONSENSE": 10})
