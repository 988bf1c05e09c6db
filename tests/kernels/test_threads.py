"""Threads of the kernels: no result depends on them, and forked processes have their own."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest
from numpy.testing import assert_array_equal

from spacy_distill import kernels
from tests.kernels.layers import LENGTHS, lstm_layer, run_layer, stack_of

pytest.importorskip("spacy_distill.kernels.compiled", reason="installed without a compiler")


@pytest.mark.parametrize("lengths", [LENGTHS, [3], [0, 700], [40] * 25])
def test_threads_change_no_byte_of_training(lengths, instruction_set, monkeypatch):
    arguments = lstm_layer(20, lengths, n_inputs=330)
    monkeypatch.setattr(kernels, "n_training_threads", 1)
    expected = run_layer(*arguments)
    for n_threads in (2, 3, 8):
        monkeypatch.setattr(kernels, "n_training_threads", n_threads)
        for mine, theirs in zip(run_layer(*arguments), expected, strict=True):
            assert_array_equal(mine, theirs)


@pytest.mark.parametrize("integers", [False, True])
@pytest.mark.parametrize("lengths", [LENGTHS, [3], [0, 0], [40] * 25])
def test_threads_change_no_byte_of_inference(lengths, integers, instruction_set):
    rng = numpy.random.default_rng(0)
    stack, table = stack_of(rng, 20, 3, integers=integers)
    rows, lengths = rng.integers(0, 9, size=sum(lengths)), numpy.asarray(lengths)
    expected = stack.predict(table, rows, lengths)
    for n_threads in (2, 3, 8):
        with kernels.use_threads(n_threads):
            assert_array_equal(stack.predict(table, rows, lengths), expected)


def test_several_callers_share_the_threads():
    rng = numpy.random.default_rng(0)
    stack, table = stack_of(rng, 20, 2, integers=True)
    rows, lengths = rng.integers(0, 9, size=1000), numpy.asarray([40] * 25)
    expected = stack.predict(table, rows, lengths)

    def call(_):
        with kernels.use_threads(3):
            return stack.predict(table, rows, lengths)

    with ThreadPoolExecutor(4) as executor:
        for found in executor.map(call, range(200)):
            assert_array_equal(found, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
def test_a_forked_process_has_threads_of_its_own(in_child, monkeypatch):
    monkeypatch.setattr(kernels, "n_training_threads", 3)
    arguments = lstm_layer(8, [5] * 30)
    expected = run_layer(*arguments)

    def run_too():
        assert all(map(numpy.array_equal, run_layer(*arguments), expected))

    assert in_child(run_too) == 0
    run_too()
