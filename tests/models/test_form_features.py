"""Form features are refused where a word form has none of that name."""

import pytest

from spacy_distill.models.form_features import FormFeatures


def test_form_features_refuses_what_a_form_does_not_have():
    with pytest.raises(ValueError, match=r"word form: TAG, NONSENSE\. Choose of: .*SHAPE"):
        FormFeatures(4, {"LOWER": 10, "TAG": 10, "NONSENSE": 10})
