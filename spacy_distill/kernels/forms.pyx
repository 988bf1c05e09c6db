# cython: language_level=3, boundscheck=False, wraparound=False, binding=True
"""Loops over word forms as Python functions over numpy arrays. They keep the GIL, so that no other
thread finds an index in the middle of a change."""

from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint16_t, uint64_t
from libcpp.memory cimport unique_ptr
from libcpp.vector cimport vector

import numpy


cdef extern from "forms.hh" namespace "spacy_distill" nogil:
    cdef cppclass FormIndexC "spacy_distill::FormIndex":
        FormIndexC(size_t capacity) except +
        const size_t capacity
        vector[uint64_t] forms
        vector[double] scores
        size_t size() const
        int64_t find(uint64_t form) const
        void add(uint64_t form, double score) except +
        size_t find_all(const uint64_t* tokens, size_t n, double weight, int64_t* rows)

    void convert "spacy_distill::to_halves"(const float* numbers, size_t n, uint16_t* halves)

    cdef cppclass CharacterFilters:
        CharacterFilters(
            const float* E, const float* filters, const float* bias,
            int n_rows, int width, int n_filters,
        ) except +
        void apply(const int32_t* rows, int n, float* highest)


cdef class FormIndex:
    """The compiled `models.form_cache.FormIndex`."""

    cdef unique_ptr[FormIndexC] index

    def __cinit__(self, size_t capacity):
        self.index.reset(new FormIndexC(capacity))

    def __len__(self):
        return self.index.get().size()

    @property
    def forms(self):
        cdef size_t row, n_rows = self.index.get().size()
        forms = numpy.empty(n_rows, dtype="uint64")
        cdef uint64_t[::1] forms_view = forms
        for row in range(n_rows):
            forms_view[row] = self.index.get().forms[row]
        return forms

    @property
    def scores(self):
        cdef size_t row, n_rows = self.index.get().size()
        scores = numpy.empty(n_rows)
        cdef double[::1] scores_view = scores
        for row in range(n_rows):
            scores_view[row] = self.index.get().scores[row]
        return scores

    def find(self, const uint64_t[::1] forms not None, double weight):
        cdef size_t n = forms.shape[0]
        rows = numpy.empty(n, dtype="int64")
        cdef int64_t[::1] rows_view = rows
        if not n:
            return rows, 0
        return rows, self.index.get().find_all(&forms[0], n, weight, &rows_view[0])

    def add(self, const uint64_t[::1] forms not None, const double[::1] scores not None):
        cdef FormIndexC* index = self.index.get()
        cdef Py_ssize_t i
        _check(scores.shape[0] == forms.shape[0], "a score for each form")
        for i in range(forms.shape[0]):
            _check(index.size() < index.capacity, "no more forms than fit into the index")
            _check(index.find(forms[i]) < 0, "forms that are not in the index")
            index.add(forms[i], scores[i])

    def divide_scores(self, double divisor):
        cdef size_t row
        for row in range(self.index.get().size()):
            self.index.get().scores[row] /= divisor


def to_halves(const float[:, ::1] numbers not None, halves not None):
    """Round numbers to half precision, several times as fast as numpy.

    numbers (Floats2d): float32
    halves (Floats2d): An array of the same shape for the result, float16.
    """
    cdef uint16_t[:, ::1] halves_view = halves.view("uint16")
    _check(halves.dtype == "float16", "an array in half precision")
    _check(halves.shape == numpy.shape(numbers), "arrays of the same shape")
    if numbers.shape[0] and numbers.shape[1]:
        convert(&numbers[0, 0], numbers.shape[0] * numbers.shape[1], &halves_view[0, 0])


def convolve_characters(
    list texts not None,
    int max_characters,
    const float[:, ::1] E not None,
    const float[:, :, ::1] filters not None,
    const float[::1] bias not None,
):
    """Compute the responses of filters to the characters of words, with max pooling.

    texts (List[str]): The words.
    max_characters (int): The number of characters that are read of longer words, half of them at
        either end.
    E (Floats2d): (rows, width) embeddings of characters, the first one of word boundaries.
    filters (Floats3d): (3, width, filters) the weights of the places in a window.
    bias (Floats1d): (filters,)
    RETURNS (Floats2d): (words, filters)
    """
    cdef int n_rows = E.shape[0], width = E.shape[1], n_filters = filters.shape[2]
    _check(filters.shape[0] == 3 and filters.shape[1] == width, "filters of three characters")
    _check(bias.shape[0] == n_filters and n_filters > 0 and width > 0, "a bias of each filter")
    _check(n_rows > 1 and max_characters > 0, "embeddings of characters")
    responses = numpy.empty((len(texts), n_filters), dtype="float32")
    cdef float[:, ::1] responses_view = responses
    cdef unique_ptr[CharacterFilters] cnn
    cnn.reset(
        new CharacterFilters(&E[0, 0], &filters[0, 0, 0], &bias[0], n_rows, width, n_filters)
    )
    cdef Py_ssize_t half = max_characters // 2, word, length, n, i
    cdef vector[int32_t] rows
    cdef str text
    cdef unsigned int character
    for word in range(len(texts)):
        text = texts[word]
        length = len(text)
        n = length if length <= max_characters else 2 * half
        rows.assign(max(n, 1) + 2, 0)  # an empty word has one window of boundaries
        for i in range(n):
            character = ord(text[i] if i < half else text[length - n + i])
            rows[i + 1] = 1 + character % (n_rows - 1)
        cnn.get().apply(rows.data(), max(n, 1), &responses_view[word, 0])
    return responses


cdef _check(bint holds, str expected):
    if not holds:
        raise ValueError(f"[D650] Arrays of word forms do not fit together: expected {expected}.")
