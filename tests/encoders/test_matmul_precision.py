"""The precision of torch's matrix products is that of a context, and then as before."""

import sys

import pytest

from spacy_distill.encoders.matmul_precision import PRECISIONS, current_precision, in_precision

torch = pytest.importorskip("torch", reason="the precision is torch's")
precision_now = torch.get_float32_matmul_precision


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_precision_ends_with_the_context(precision):
    before = precision_now()
    with in_precision(precision):
        assert precision_now() == precision
        with in_precision(None):
            assert precision_now() == precision
    assert precision_now() == before
    with pytest.raises(KeyError), in_precision(precision):
        raise KeyError("in the context")
    assert precision_now() == before


def test_a_precision_of_backends_is_left(monkeypatch):
    class Backend:
        fp32_precision = "tf32"

    def mixed():
        raise RuntimeError("PyTorch is checking the matmul precision without a backend name")

    monkeypatch.setattr(torch, "get_float32_matmul_precision", mixed)
    monkeypatch.setattr(torch.backends.cuda, "matmul", Backend())
    monkeypatch.setattr(torch.backends.mkldnn, "matmul", Backend(), raising=False)
    assert current_precision() == "tf32 tf32"
    with pytest.raises(ValueError, match=r"\[D239\].*tf32 tf32"), in_precision("medium"):
        pass


def test_an_unknown_precision_is_refused():
    with (
        pytest.raises(ValueError, match=r"\[D238\].*'low'.*highest, high, medium"),
        in_precision("low"),
    ):
        pass


def test_without_torch_no_other_precision(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with in_precision(None):
        pass
    with (
        pytest.raises(ImportError, match=r"\[D305\] The library torch"),
        in_precision("medium"),
    ):
        pass
