# cython: language_level=3, boundscheck=False, wraparound=False, binding=True
"""The kernels as Python functions over numpy arrays. Other threads run meanwhile."""

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

import numpy


cdef extern from "kernels.hh" namespace "spacy_distill" nogil:
    cdef struct Batch:
        const int64_t* lengths
        const int64_t* starts
        const int64_t* order
        int64_t n_sequences

    cdef struct LstmInput:
        Batch batch
        const float* inputs
        const float* U
        int hidden

    cdef struct LstmOutput:
        float* states
        float* gates
        float* cells

    cdef struct LayerWeights:
        const float* U
        const float* W
        const float* bias

    cdef struct StackInput:
        Batch batch
        const float* table
        const int64_t* rows

    cdef struct ChainScores:
        Batch batch
        const float* emissions
        const float* transitions
        const float* start
        const float* end
        int n_tags

    cdef struct ChainWeights:
        double* forward
        double* backward
        double* arrivals
        double* scales
        double* links
        double* back_links
        double largest_factor

    ctypedef void (*lstm_forward_type)(const LstmInput&, const LstmOutput&) except +
    ctypedef void (*lstm_backward_type)(
        const LstmInput&, const LstmOutput&, const float*, float*
    ) except +
    ctypedef void* (*make_stack_type)(const LayerWeights*, int, int) except +
    ctypedef void (*remove_stack_type)(void*)
    ctypedef void (*read_stack_type)(const void*, const StackInput&, float*) except +
    ctypedef void (*viterbi_type)(const ChainScores&, int64_t*) except +
    ctypedef bint (*forward_backward_type)(const ChainScores&, const ChainWeights&)

    cdef struct StackKernels:
        make_stack_type make
        remove_stack_type remove
        read_stack_type read

    cdef struct Kernels:
        const char* name
        bint (*is_supported)()
        lstm_forward_type lstm_forward
        lstm_backward_type lstm_backward
        StackKernels float_stack
        StackKernels integer_stack
        viterbi_type viterbi
        forward_backward_type forward_backward

    const Kernels** ALL_KERNELS
    int N_KERNELS


cdef const Kernels* KERNELS = ALL_KERNELS[0]
INSTRUCTION_SETS = tuple(
    ALL_KERNELS[i].name.decode() for i in range(N_KERNELS) if ALL_KERNELS[i].is_supported()
)


def use_instruction_set(name):
    """Choose among INSTRUCTION_SETS, those that this machine supports, the slowest first."""
    global KERNELS
    _check(name in INSTRUCTION_SETS, f"one of the instruction sets {INSTRUCTION_SETS}")
    for i in range(N_KERNELS):
        if ALL_KERNELS[i].name.decode() == name:
            KERNELS = ALL_KERNELS[i]


def in_use():
    """RETURNS (str): Which one of INSTRUCTION_SETS is used."""
    return KERNELS.name.decode()


cdef class Sequences:
    """Lengths of a ragged batch's sequences, in the form that the kernels take. These raise
    ValueError where arrays do not fit together."""

    cdef readonly Py_ssize_t n_tokens
    cdef Batch batch
    cdef object kept

    def __init__(self, lengths):
        """lengths (Ints1d): (sequences,) tokens of each, zeros allowed."""
        lengths = numpy.asarray(lengths, dtype="int64")
        _check(not len(lengths) or lengths.min() >= 0, "lengths that are not negative")
        lengths = numpy.ascontiguousarray(lengths[lengths > 0])
        ends = numpy.cumsum(lengths)
        self.n_tokens = ends[len(ends) - 1] if len(ends) else 0
        starts = ends - lengths
        order = numpy.argsort(-lengths, kind="stable").astype("int64")
        self.kept = (lengths, starts, order)
        self.batch.n_sequences = len(lengths)
        self.batch.lengths = _integers(lengths)
        self.batch.starts = _integers(starts)
        self.batch.order = _integers(order)


cdef class Stack:
    """Layers of bidirectional LSTMs above one another for prediction, their weights packed for the
    instruction set that was in use."""

    cdef readonly str instruction_set
    cdef const StackKernels* kernels
    cdef void* packed
    cdef int hidden

    def __cinit__(self, layers, bint integers):
        """Pack the weights.

        layers (Sequence[Tuple[Floats3d, Floats2d, Floats1d]]): Of each layer U (2, hidden, 4 *
        hidden), states to gates, W (2 * hidden, 8 * hidden), the states below to the gates of both
        directions, and b (8 * hidden,); W and b of the first are not used.
        integers (bool): Whether to compute with weights and states in bytes instead of floats.
        """
        cdef const float[:, :, ::1] U
        cdef const float[:, ::1] W
        cdef const float[::1] b
        cdef Py_ssize_t number, n_layers = len(layers)
        _check(n_layers > 0, "a layer")
        self.hidden = layers[0][0].shape[1]
        self.kernels = &KERNELS.integer_stack if integers else &KERNELS.float_stack
        self.instruction_set = in_use()
        cdef LayerWeights* weights = <LayerWeights*>calloc(n_layers, sizeof(LayerWeights))
        if not weights:
            raise MemoryError()
        try:
            for number in range(n_layers):
                U = layers[number][0]
                _check(U.shape[0] == 2 and U.shape[1] == self.hidden, "as many states in all layers")
                _check(U.shape[2] == 4 * self.hidden, "recurrent weights of four gates")
                weights[number].U = &U[0, 0, 0]
                if number:
                    W, b = layers[number][1], layers[number][2]
                    _check(W is not None and b is not None, "weights of the states below")
                    _check(W.shape[0] == 2 * self.hidden, "weights of the states below")
                    _check(W.shape[1] == 8 * self.hidden, "weights of both directions' gates")
                    _check(b.shape[0] == 8 * self.hidden, "a bias a gate")
                    weights[number].W = &W[0, 0]
                    weights[number].bias = &b[0]
            self.packed = self.kernels.make(weights, n_layers, self.hidden)
        finally:
            free(weights)

    def __dealloc__(self):
        if self.packed:
            self.kernels.remove(self.packed)

    def predict(
        self,
        const float[:, ::1] table not None,
        const int64_t[::1] rows not None,
        Sequences sequences not None,
    ):
        """Compute the states of the last layer.

        table (Floats2d): (rows, 8 * hidden) inputs to the first layer's gates.
        rows (Ints1d): (tokens,) int64, each token's row of the table.
        sequences (Sequences): The batch.
        RETURNS (Floats2d): (tokens, 2 * hidden) states, both directions side by side.
        """
        cdef Py_ssize_t token, n_tokens = sequences.n_tokens
        _check(rows.shape[0] == n_tokens, "a row number for each token")
        _check(table.shape[1] == 8 * self.hidden, "inputs to the gates of both directions")
        for token in range(n_tokens):
            if rows[token] < 0 or rows[token] >= table.shape[0]:
                _check(False, "rows of the table")
        states = numpy.empty((n_tokens, 2 * self.hidden), dtype="float32")
        cdef float[:, ::1] states_view = states
        if not n_tokens:
            return states
        cdef StackInput batch = StackInput(sequences.batch, &table[0, 0], &rows[0])
        cdef float* result = &states_view[0, 0]
        with nogil:
            self.kernels.read(self.packed, batch, result)
        return states


def lstm_forward(
    const float[:, :, ::1] inputs not None,
    Sequences sequences not None,
    const float[:, :, ::1] U not None,
):
    """Run an LSTM in both directions and keep what the backward pass needs.

    inputs (Floats3d): (tokens, 2, 4 * hidden) inputs to the gates of each direction.
    sequences (Sequences): The batch.
    U (Floats3d): (2, hidden, 4 * hidden) states to gates.
    RETURNS (Tuple[Floats2d, Floats3d, Floats3d]): (tokens, 2 * hidden) states; (tokens, 2,
        4 * hidden) gates after their functions; (tokens, 2, hidden) cells.
    """
    cdef Py_ssize_t hidden = U.shape[1], n_tokens = sequences.n_tokens
    _check_weights(inputs, U)
    _check(inputs.shape[0] == n_tokens, "inputs of each token")
    states = numpy.empty((n_tokens, 2 * hidden), dtype="float32")
    gates = numpy.empty((n_tokens, 2, 4 * hidden), dtype="float32")
    cells = numpy.empty((n_tokens, 2, hidden), dtype="float32")
    cdef float[:, ::1] states_view = states
    cdef float[:, :, ::1] gates_view = gates, cells_view = cells
    if not n_tokens:
        return states, gates, cells
    cdef LstmInput batch = LstmInput(sequences.batch, &inputs[0, 0, 0], &U[0, 0, 0], hidden)
    cdef LstmOutput output = LstmOutput(
        &states_view[0, 0], &gates_view[0, 0, 0], &cells_view[0, 0, 0]
    )
    with nogil:
        KERNELS.lstm_forward(batch, output)
    return states, gates, cells


def lstm_backward(
    const float[:, ::1] d_states not None,
    const float[:, :, ::1] gates not None,
    const float[:, :, ::1] cells not None,
    Sequences sequences not None,
    const float[:, :, ::1] U not None,
):
    """Compute the backward pass of `lstm_forward`.

    d_states (Floats2d): (tokens, 2 * hidden) gradient of the loss with respect to the states.
    gates, cells (Floats3d): What `lstm_forward` returned.
    RETURNS (Floats3d): (tokens, 2, 4 * hidden) gradient with respect to the inputs.
    """
    cdef Py_ssize_t hidden = U.shape[1], n_tokens = sequences.n_tokens
    _check_weights(gates, U)
    _check(d_states.shape[1] == 2 * hidden, "a gradient of each state")
    _check(cells.shape[1] == 2 and cells.shape[2] == hidden, "a cell of each state")
    for n_rows in (d_states.shape[0], gates.shape[0], cells.shape[0]):
        _check(n_rows == n_tokens, "a row of each token")
    d_gates = numpy.empty((n_tokens, 2, 4 * hidden), dtype="float32")
    cdef float[:, :, ::1] d_gates_view = d_gates
    if not n_tokens:
        return d_gates
    cdef LstmInput batch = LstmInput(sequences.batch, NULL, &U[0, 0, 0], hidden)
    # The kernel only reads these.
    cdef LstmOutput kept = LstmOutput(NULL, <float*>&gates[0, 0, 0], <float*>&cells[0, 0, 0])
    cdef const float* gradient = &d_states[0, 0]
    cdef float* result = &d_gates_view[0, 0, 0]
    with nogil:
        KERNELS.lstm_backward(batch, kept, gradient, result)
    return d_gates


def viterbi(
    const float[:, ::1] emissions not None,
    Sequences sequences not None,
    const float[:, ::1] transitions not None,
    const float[::1] start not None,
    const float[::1] end not None,
):
    """Find the best tag sequence of each sequence.

    emissions (Floats2d): (tokens, tags) scores; -inf marks what is impossible, NaN has no meaning.
    sequences (Sequences): The batch.
    transitions (Floats2d): (tags, tags) scores, from row to column.
    start, end (Floats1d): (tags,) scores of the first and the last tag.
    RETURNS (Ints1d): (tokens,) tag numbers, int64.
    """
    cdef Py_ssize_t n_tokens = sequences.n_tokens
    cdef ChainScores chain = _read_chain(emissions, sequences, transitions, start, end)
    tags = numpy.empty(n_tokens, dtype="int64")
    cdef int64_t[::1] tags_view = tags
    if not n_tokens:
        return tags
    with nogil:
        KERNELS.viterbi(chain, &tags_view[0])
    return tags


def forward_backward(
    const float[:, ::1] emissions not None,
    Sequences sequences not None,
    const float[:, ::1] transitions not None,
    const float[::1] start not None,
    const float[::1] end not None,
    double largest_factor,
):
    """Compute the weights of a chain's tags, rescaled at each token.

    emissions, sequences, transitions, start, end: As `viterbi` takes them; at least one token.
    largest_factor (float): What a weight may be multiplied by on its way to a probability.
    RETURNS (Optional[Tuple[Floats2d, ...]]): forward, backward and arrivals (tokens, tags) and
        links (tags, tags), float64; None where this arithmetic cannot be trusted.
    """
    cdef Py_ssize_t size = emissions.shape[1], n_tokens = sequences.n_tokens
    cdef ChainScores chain = _read_chain(emissions, sequences, transitions, start, end)
    _check(n_tokens > 0, "at least one token")
    weights = numpy.empty((3, n_tokens, size))
    links, scales = numpy.empty((2, size, size)), numpy.empty(n_tokens)
    cdef double[:, :, ::1] weights_view = weights, links_view = links
    cdef double[::1] scales_view = scales
    cdef ChainWeights out = ChainWeights(
        &weights_view[0, 0, 0],
        &weights_view[1, 0, 0],
        &weights_view[2, 0, 0],
        &scales_view[0],
        &links_view[0, 0, 0],
        &links_view[1, 0, 0],
        largest_factor,
    )
    cdef bint trusted
    with nogil:
        trusted = KERNELS.forward_backward(chain, out)
    return (*weights, links[0]) if trusted else None


cdef const int64_t* _integers(const int64_t[::1] array):
    return &array[0] if array.shape[0] else NULL


cdef _check_weights(const float[:, :, ::1] gates, const float[:, :, ::1] U):
    cdef Py_ssize_t hidden = U.shape[1]
    _check(U.shape[0] == 2 and U.shape[2] == 4 * hidden, "recurrent weights of four gates")
    _check(gates.shape[1] == 2 and gates.shape[2] == 4 * hidden, "gates of both directions")


cdef ChainScores _read_chain(
    const float[:, ::1] emissions,
    Sequences sequences,
    const float[:, ::1] transitions,
    const float[::1] start,
    const float[::1] end,
) except *:
    """RETURNS (ChainScores): The arrays of a chain after their shapes were checked. Without tokens
    there is nothing to point at."""
    cdef Py_ssize_t size = emissions.shape[1]
    _check(emissions.shape[0] == sequences.n_tokens, "emissions of each token")
    for width in (transitions.shape[0], transitions.shape[1], start.shape[0], end.shape[0]):
        _check(width == size, "a score of each tag")
    _check(size > 0, "at least one tag")
    if not sequences.n_tokens:
        return ChainScores(sequences.batch, NULL, NULL, NULL, NULL, size)
    return ChainScores(
        sequences.batch, &emissions[0, 0], &transitions[0, 0], &start[0], &end[0], size
    )


cdef _check(bint holds, str expected):
    if not holds:
        raise ValueError(f"[D804] The arrays of a kernel do not fit together: expected {expected}.")

