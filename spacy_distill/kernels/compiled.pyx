# cython: language_level=3, boundscheck=False, wraparound=False, binding=True
"""The kernels as Python functions over numpy arrays. They release the GIL."""

from libc.stdint cimport int64_t, uint16_t
from libc.stdlib cimport calloc, free

from spacy_distill.kernels.declarations cimport (
    ALL_KERNELS,
    Batch,
    ChainScores,
    ChainWeights,
    ElementwiseGradients,
    ElementwiseLayer,
    ElementwiseStackKernels,
    ElementwiseStates,
    ElementwiseWeights,
    Kernels,
    LayerWeights,
    LstmGradients,
    LstmLayer,
    LstmStates,
    N_KERNELS,
    StackInput,
    StackKernels,
)

import numpy


SINGLE, HALF = numpy.dtype("float32"), numpy.dtype("float16")
cdef const Kernels* KERNELS = ALL_KERNELS[0]
INSTRUCTION_SETS = tuple(
    ALL_KERNELS[i].name.decode() for i in range(N_KERNELS) if ALL_KERNELS[i].is_supported()
)


def use_instruction_set(name):
    """Select one of INSTRUCTION_SETS. `kernels.use` calls it when the package is imported."""
    global KERNELS
    _check(name in INSTRUCTION_SETS, f"one of the instruction sets {INSTRUCTION_SETS}")
    for i in range(N_KERNELS):
        if ALL_KERNELS[i].name.decode() == name:
            KERNELS = ALL_KERNELS[i]


def in_use():
    """RETURNS (str): The instruction set that is used, one of INSTRUCTION_SETS."""
    return KERNELS.name.decode()


cdef class Sequences:
    """The lengths of the sequences of a ragged batch, an argument of the kernels. The kernels raise
    ValueError if the shapes of their arrays do not fit together."""

    cdef readonly Py_ssize_t n_tokens
    cdef Batch batch
    cdef object kept

    def __init__(self, lengths):
        """lengths (Ints1d): (sequences,) tokens per sequence, zeros allowed."""
        cdef const int64_t[::1] given = numpy.ascontiguousarray(lengths, dtype="int64")
        cdef Py_ssize_t s, n = 0
        kept = numpy.empty((2, given.shape[0]), dtype="int64")
        cdef int64_t[:, ::1] kept_view = kept
        self.n_tokens = 0
        for s in range(given.shape[0]):
            _check(given[s] >= 0, "lengths that are not negative")
            if given[s]:
                kept_view[0, n], kept_view[1, n] = given[s], self.n_tokens
                self.n_tokens += given[s]
                n += 1
        order = numpy.argsort(-kept[0, :n], kind="stable") if n > 1 else numpy.zeros(n, dtype="int64")
        self.kept = (kept, order)
        self.batch.n_sequences = n
        self.batch.lengths = &kept_view[0, 0] if n else NULL
        self.batch.starts = &kept_view[1, 0] if n else NULL
        self.batch.order = _integers(order)


cdef class Stack:
    """A stack of bidirectional LSTM layers, for inference. The weights are packed for the
    instruction set that is in use when the stack is created."""

    cdef readonly str made_for  # the instruction set
    cdef bint integers
    cdef const StackKernels* kernels
    cdef void* packed
    cdef int hidden

    def __cinit__(self, layers, bint integers):
        """Pack the weights.

        layers (Sequence[Tuple[Floats3d, Floats2d, Floats1d]]): The weights of each layer. U is
            (2, hidden, 4 * hidden), from states to gates. W is (2 * hidden, 8 * hidden), from the
            states of the layer below to the gates of both directions. b is (8 * hidden,). W and b
            of the first layer are not used.
        integers (bool): Whether weights and states are rounded to bytes.
        """
        cdef const float[:, :, ::1] U
        cdef const float[:, ::1] W
        cdef const float[::1] b
        cdef Py_ssize_t number, n_layers = len(layers)
        _check(n_layers > 0, "a layer")
        self.hidden = layers[0][0].shape[1]
        self.kernels = &KERNELS.integer_stack if integers else &KERNELS.float_stack
        self.made_for, self.integers = in_use(), integers
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
        table not None,
        const int64_t[::1] rows not None,
        Sequences sequences not None,
        int n_threads,
    ):
        """Compute the states of the last layer.

        table (Floats2d): (rows, 8 * hidden) inputs to the gates of the first layer: float16 if the
            stack rounds to bytes, else float32.
        rows (Ints1d): (tokens,) int64, the row of each token in the table.
        sequences (Sequences): The lengths of the batch.
        n_threads (int): The number of threads, on which no result depends.
        RETURNS (Floats2d): (tokens, 2 * hidden) states of both directions, concatenated.
        """
        cdef Py_ssize_t n_tokens = sequences.n_tokens
        cdef StackInput batch = _read_table(
            table, rows, sequences, 8 * self.hidden, HALF if self.integers else SINGLE, n_threads
        )
        states = numpy.empty((n_tokens, 2 * self.hidden), dtype="float32")
        cdef float[:, ::1] states_view = states
        if not n_tokens:
            return states
        cdef float* result = &states_view[0, 0]
        with nogil:
            self.kernels.read(self.packed, batch, result)
        return states


cdef class ElementwiseStack:
    """A stack of SRU or minGRU layers, for inference. The weights are packed for the instruction
    set that is in use when the stack is created."""

    cdef readonly str made_for  # the instruction set
    cdef bint integers
    cdef const ElementwiseStackKernels* kernels
    cdef void* packed
    cdef int hidden, n_columns

    def __cinit__(self, layers, int hidden, float highway_scale, bint integers):
        """Pack the weights.

        layers (Sequence[Tuple[Floats2d, Floats1d, Floats3d]]): The weights of each layer: W, b and
            the peepholes. W is (2 * hidden, 2 * maps * hidden), from the states of the layer below
            to three maps of an SRU, or two of a minGRU. b is (2 * maps * hidden,). W and b of the
            first layer are not used. The peepholes are (2, 2, hidden), None for a minGRU.
        hidden (int): The number of states of each direction.
        highway_scale (float): The factor of the highway.
        integers (bool): Whether weights and states are rounded to bytes in products.
        """
        cdef const float[:, :, ::1] peepholes
        cdef const float[:, ::1] W
        cdef const float[::1] b
        cdef Py_ssize_t number, n_columns, n_layers = len(layers)
        _check(n_layers > 0 and hidden > 0, "a layer with states")
        is_sru = layers[0][2] is not None
        self.hidden, self.n_columns = hidden, (8 if is_sru else 4) * hidden
        n_columns = (6 if is_sru else 4) * hidden
        self.kernels = (
            &KERNELS.integer_elementwise_stack if integers else &KERNELS.float_elementwise_stack
        )
        self.made_for, self.integers = in_use(), integers
        cdef ElementwiseWeights* weights = <ElementwiseWeights*>calloc(
            n_layers, sizeof(ElementwiseWeights)
        )
        if not weights:
            raise MemoryError()
        try:
            for number in range(n_layers):
                _check((layers[number][2] is not None) == is_sru, "layers of one kind")
                if is_sru:
                    peepholes = layers[number][2]
                    for width in (peepholes.shape[0], peepholes.shape[1]):
                        _check(width == 2, "peepholes of both directions and gates")
                    _check(peepholes.shape[2] == hidden, "peepholes of each state")
                    weights[number].peepholes = &peepholes[0, 0, 0]
                if number:
                    W, b = layers[number][0], layers[number][1]
                    _check(W is not None and b is not None, "weights of the states below")
                    _check(W.shape[0] == 2 * hidden, "weights of the states below")
                    _check(W.shape[1] == n_columns, "weights of both directions' maps")
                    _check(b.shape[0] == n_columns, "a bias of each map")
                    weights[number].W = &W[0, 0]
                    weights[number].bias = &b[0]
            self.packed = self.kernels.make(weights, n_layers, hidden, highway_scale)
        finally:
            free(weights)

    def __dealloc__(self):
        if self.packed:
            self.kernels.remove(self.packed)

    def predict(
        self,
        table not None,
        const int64_t[::1] rows not None,
        Sequences sequences not None,
        int n_threads,
    ):
        """Compute the states of the last layer.

        table (Floats2d): (rows, 2 * maps * hidden) maps of the first layer, four for an SRU and two
            for a minGRU: float16 if the stack rounds to bytes, else float32.
        rows, sequences, n_threads: As in `Stack.predict`.
        RETURNS (Floats2d): (tokens, 2 * hidden) states of both directions, concatenated.
        """
        cdef Py_ssize_t n_tokens = sequences.n_tokens
        cdef StackInput batch = _read_table(
            table, rows, sequences, self.n_columns, HALF if self.integers else SINGLE, n_threads
        )
        states = numpy.empty((n_tokens, 2 * self.hidden), dtype="float32")
        cdef float[:, ::1] states_view = states
        if not n_tokens:
            return states
        cdef float* result = &states_view[0, 0]
        with nogil:
            self.kernels.read(self.packed, batch, result)
        return states


def lstm_forward(
    const float[:, ::1] X not None,
    Sequences sequences not None,
    const float[:, ::1] W not None,
    const float[:, :, ::1] U not None,
    const float[::1] b not None,
    int n_threads,
):
    """Compute the forward pass of a bidirectional LSTM layer.

    X (Floats2d): (tokens, inputs)
    sequences (Sequences): The lengths of the batch.
    W (Floats2d): (8 * hidden, inputs) weights from inputs to the gates of both directions.
    U (Floats3d): (2, hidden, 4 * hidden) recurrent weights, from states to gates.
    b (Floats1d): (8 * hidden,)
    n_threads (int): The number of threads, on which no result depends.
    RETURNS (Tuple[Floats2d, Floats3d, Floats3d]): (tokens, 2 * hidden) states; (tokens, 2,
        4 * hidden) activated gates; (tokens, 2, hidden) cells. The backward pass needs all of them.
    """
    cdef Py_ssize_t hidden = U.shape[1], n_tokens = sequences.n_tokens
    _check_layer(X, sequences, W, U)
    _check(n_threads > 0, "at least one thread")
    _check(b.shape[0] == 8 * hidden, "a bias of each gate")
    states = numpy.empty((n_tokens, 2 * hidden), dtype="float32")
    gates = numpy.empty((n_tokens, 2, 4 * hidden), dtype="float32")
    cells = numpy.empty((n_tokens, 2, hidden), dtype="float32")
    cdef float[:, ::1] states_view = states
    cdef float[:, :, ::1] gates_view = gates, cells_view = cells
    if not n_tokens:
        return states, gates, cells
    cdef LstmLayer layer = LstmLayer(
        sequences.batch, n_tokens, X.shape[1], hidden, &X[0, 0], &W[0, 0], &U[0, 0, 0], &b[0], n_threads
    )
    cdef LstmStates output = LstmStates(
        &states_view[0, 0], &gates_view[0, 0, 0], &cells_view[0, 0, 0]
    )
    with nogil:
        KERNELS.lstm_forward(layer, output)
    return states, gates, cells


def lstm_backward(
    const float[:, ::1] d_states not None,
    const float[:, ::1] X not None,
    const float[:, ::1] states not None,
    const float[:, :, ::1] gates not None,
    const float[:, :, ::1] cells not None,
    Sequences sequences not None,
    const float[:, ::1] W not None,
    const float[:, :, ::1] U not None,
    int n_threads,
):
    """Compute the backward pass of `lstm_forward`.

    d_states (Floats2d): (tokens, 2 * hidden) gradient of the loss with respect to the states.
    states, gates, cells: The result of `lstm_forward`.
    X, sequences, W, U, n_threads: The arguments of `lstm_forward`.
    RETURNS (Tuple[Floats2d, Floats2d, Floats3d, Floats1d]): The gradients of X, W, U and b.
    """
    cdef Py_ssize_t hidden = U.shape[1], n_tokens = sequences.n_tokens
    _check_layer(X, sequences, W, U)
    _check(n_threads > 0, "at least one thread")
    _check(d_states.shape[1] == 2 * hidden, "a gradient of each state")
    _check(states.shape[1] == 2 * hidden, "states of both directions")
    _check(gates.shape[1] == 2 and gates.shape[2] == 4 * hidden, "gates of both directions")
    _check(cells.shape[1] == 2 and cells.shape[2] == hidden, "a cell of each state")
    for n_rows in (d_states.shape[0], states.shape[0], gates.shape[0], cells.shape[0]):
        _check(n_rows == n_tokens, "a row of each token")
    dX = numpy.empty((n_tokens, X.shape[1]), dtype="float32")
    dW = numpy.empty((8 * hidden, X.shape[1]), dtype="float32")
    dU = numpy.empty((2, hidden, 4 * hidden), dtype="float32")
    db = numpy.empty(8 * hidden, dtype="float32")
    if not n_tokens:
        for gradient in (dW, dU, db):
            gradient.fill(0)
        return dX, dW, dU, db
    cdef float[:, ::1] dX_view = dX, dW_view = dW
    cdef float[:, :, ::1] dU_view = dU
    cdef float[::1] db_view = db
    cdef LstmLayer layer = LstmLayer(
        sequences.batch, n_tokens, X.shape[1], hidden, &X[0, 0], &W[0, 0], &U[0, 0, 0], NULL, n_threads
    )
    # The kernel only reads these.
    cdef LstmStates kept = LstmStates(
        <float*>&states[0, 0], <float*>&gates[0, 0, 0], <float*>&cells[0, 0, 0]
    )
    cdef LstmGradients gradients = LstmGradients(
        &dX_view[0, 0], &dW_view[0, 0], &dU_view[0, 0, 0], &db_view[0]
    )
    cdef const float* d_output = &d_states[0, 0]
    with nogil:
        KERNELS.lstm_backward(layer, kept, d_output, gradients)
    return dX, dW, dU, db


def elementwise_forward(
    const float[:, ::1] X not None,
    Sequences sequences not None,
    const float[:, ::1] W not None,
    const float[::1] b not None,
    const float[:, :, ::1] peepholes,
    int hidden,
    float highway_scale,
    int n_threads,
):
    """Compute the forward pass of a bidirectional SRU or minGRU layer.

    X (Floats2d): (tokens, inputs)
    sequences (Sequences): The lengths of the batch.
    W (Floats2d): (2 * maps * hidden, inputs) weights from inputs to the maps of both directions:
        two of a minGRU; four of an SRU, or three if its highway is X.
    b (Floats1d): (2 * maps * hidden,)
    peepholes (Optional[Floats3d]): (2, 2, hidden) weights from cells to the forget and the reset
        gate. None for a minGRU.
    hidden (int): The number of states of each direction.
    highway_scale (float): The factor of the highway.
    n_threads (int): The number of threads, on which no result depends.
    RETURNS (Tuple[Floats2d, Floats2d, Floats2d]): (tokens, 2 * hidden) states; (tokens, 2 * maps *
        hidden) maps, with activated gates; (tokens, 2 * hidden) cells. The backward pass needs all
        of them.
    """
    cdef Py_ssize_t n_tokens = sequences.n_tokens
    cdef ElementwiseLayer layer = _read_elementwise(
        X, sequences, W, peepholes, hidden, highway_scale, n_threads
    )
    _check(b.shape[0] == W.shape[0], "a bias of each map")
    states, cells = numpy.empty((2, n_tokens, 2 * hidden), dtype="float32")
    maps = numpy.empty((n_tokens, W.shape[0]), dtype="float32")
    cdef float[:, ::1] states_view = states, maps_view = maps, cells_view = cells
    if not n_tokens:
        return states, maps, cells
    layer.b = &b[0]
    cdef ElementwiseStates output = ElementwiseStates(
        &states_view[0, 0], &maps_view[0, 0], &cells_view[0, 0]
    )
    with nogil:
        KERNELS.elementwise_forward(layer, output)
    return states, maps, cells


def elementwise_backward(
    const float[:, ::1] d_states not None,
    const float[:, ::1] X not None,
    const float[:, ::1] states not None,
    const float[:, ::1] maps not None,
    const float[:, ::1] cells not None,
    Sequences sequences not None,
    const float[:, ::1] W not None,
    const float[:, :, ::1] peepholes,
    int hidden,
    float highway_scale,
    int n_threads,
):
    """Compute the backward pass of `elementwise_forward`.

    d_states (Floats2d): (tokens, 2 * hidden) gradient of the loss with respect to the states.
    states, maps, cells: The result of `elementwise_forward`.
    X, sequences, W, peepholes, hidden, highway_scale, n_threads: Its arguments.
    RETURNS (Tuple[Floats2d, Floats2d, Floats1d, Optional[Floats3d]]): The gradients of X, W, b and
        the peepholes.
    """
    cdef Py_ssize_t n_tokens = sequences.n_tokens
    cdef ElementwiseLayer layer = _read_elementwise(
        X, sequences, W, peepholes, hidden, highway_scale, n_threads
    )
    for n_rows in (d_states.shape[0], states.shape[0], maps.shape[0], cells.shape[0]):
        _check(n_rows == n_tokens, "a row of each token")
    for n_columns in (d_states.shape[1], states.shape[1], cells.shape[1]):
        _check(n_columns == 2 * hidden, "states of both directions")
    _check(maps.shape[1] == W.shape[0], "maps of both directions")
    dX = numpy.empty((n_tokens, X.shape[1]), dtype="float32")
    dW = numpy.zeros((W.shape[0], X.shape[1]), dtype="float32")
    db = numpy.zeros(W.shape[0], dtype="float32")
    d_peepholes = numpy.zeros((2, 2, hidden), dtype="float32")
    cdef float[:, ::1] dX_view = dX, dW_view = dW
    cdef float[::1] db_view = db
    cdef float[:, :, ::1] d_peepholes_view = d_peepholes
    found = dX, dW, db, None if peepholes is None else d_peepholes
    if not n_tokens:
        return found
    # The kernel only reads these.
    cdef ElementwiseStates kept = ElementwiseStates(
        <float*>&states[0, 0], <float*>&maps[0, 0], <float*>&cells[0, 0]
    )
    cdef ElementwiseGradients gradients = ElementwiseGradients(
        &dX_view[0, 0], &dW_view[0, 0], &db_view[0], &d_peepholes_view[0, 0, 0]
    )
    cdef const float* d_output = &d_states[0, 0]
    with nogil:
        KERNELS.elementwise_backward(layer, kept, d_output, gradients)
    return found


def viterbi(
    const float[:, ::1] emissions not None,
    Sequences sequences not None,
    const float[:, ::1] transitions not None,
    const float[::1] start not None,
    const float[::1] end not None,
):
    """Find the best tag sequence of each sequence.

    emissions (Floats2d): (tokens, tags) scores; -inf for impossible tags. Must not be NaN.
    sequences (Sequences): The lengths of the batch.
    transitions (Floats2d): (tags, tags) scores, from row to column.
    start, end (Floats1d): (tags,) scores of the first and the last tag.
    RETURNS (Ints1d): (tokens,) tag ids, int64.
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
    """Compute the forward and backward weights of a chain, rescaled at each token.

    emissions, sequences, transitions, start, end: The arguments of `viterbi`, with at least one
        token.
    largest_factor (float): The largest factor by which a weight may be multiplied to get a
        probability.
    RETURNS (Optional[Tuple[Floats1d, Floats2d, ...]]): The logarithms of the partition function,
        (sequences with a token,), and the arrays of `RaggedTrellis`: forward, backward and
        arrivals, (tokens, tags), and links, (tags, tags), float64. None if they are not exact.
    """
    cdef Py_ssize_t size = emissions.shape[1], n_tokens = sequences.n_tokens
    cdef ChainScores chain = _read_chain(emissions, sequences, transitions, start, end)
    _check(n_tokens > 0, "at least one token")
    weights = numpy.empty((3, n_tokens, size))
    links, scales = numpy.empty((2, size, size)), numpy.empty(n_tokens)
    log_partition = numpy.empty(sequences.batch.n_sequences)
    cdef double[:, :, ::1] weights_view = weights, links_view = links
    cdef double[::1] scales_view = scales, log_partition_view = log_partition
    cdef ChainWeights out = ChainWeights(
        &log_partition_view[0],
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
    return (log_partition, *weights, links[0]) if trusted else None


cdef const int64_t* _integers(const int64_t[::1] array):
    return &array[0] if array.shape[0] else NULL


cdef _check_layer(
    const float[:, ::1] X, Sequences sequences, const float[:, ::1] W, const float[:, :, ::1] U
):
    cdef Py_ssize_t hidden = U.shape[1]
    _check(X.shape[0] == sequences.n_tokens, "inputs of each token")
    _check(X.shape[1] > 0 and hidden > 0, "at least one input and one state")
    _check(U.shape[0] == 2 and U.shape[2] == 4 * hidden, "recurrent weights of four gates")
    _check(W.shape[0] == 8 * hidden, "weights of both directions' gates")
    _check(W.shape[1] == X.shape[1], "weights of each input")


cdef StackInput _read_table(
    table,
    const int64_t[::1] rows,
    Sequences sequences,
    Py_ssize_t n_columns,
    dtype,
    int n_threads,
) except *:
    """Check the inputs of a stack and return pointers to them; NULL if there are no tokens."""
    cdef Py_ssize_t token, n_tokens = sequences.n_tokens, n_rows = len(table)
    cdef const float[:, ::1] floats
    cdef const uint16_t[:, ::1] halves
    cdef const void* first = NULL
    _check(n_threads > 0, "at least one thread")
    _check(rows.shape[0] == n_tokens, "a row number for each token")
    _check(table.dtype == dtype and table.ndim == 2, f"a table of {dtype}")
    _check(table.shape[1] == n_columns, "inputs to the gates of both directions")
    if dtype == HALF:
        halves = table.view("uint16")  # memory views have no type for half precision
        first = &halves[0, 0] if n_rows else NULL
    else:
        floats = table
        first = &floats[0, 0] if n_rows else NULL
    for token in range(n_tokens):
        if rows[token] < 0 or rows[token] >= n_rows:
            _check(False, "rows of the table")
    return StackInput(sequences.batch, first, _integers(rows), n_threads)


cdef ElementwiseLayer _read_elementwise(
    const float[:, ::1] X,
    Sequences sequences,
    const float[:, ::1] W,
    const float[:, :, ::1] peepholes,
    int hidden,
    float highway_scale,
    int n_threads,
) except *:
    """Check the shapes of a layer's arrays and return pointers to them, without a bias; NULL if
    there are no tokens."""
    cdef Py_ssize_t n_maps = W.shape[0] // max(2 * hidden, 1)
    _check(n_threads > 0, "at least one thread")
    _check(X.shape[0] == sequences.n_tokens, "inputs of each token")
    _check(X.shape[1] > 0 and hidden > 0, "at least one input and one state")
    _check(W.shape[0] == 2 * n_maps * hidden, "weights of both directions' maps")
    _check(W.shape[1] == X.shape[1], "weights of each input")
    cdef const float* first = NULL
    if peepholes is None:
        _check(n_maps == 2, "two maps of a minGRU")
    else:
        _check(n_maps == 4 or n_maps == 3 and X.shape[1] == 2 * hidden, "maps of an SRU")
        for width in (peepholes.shape[0], peepholes.shape[1]):
            _check(width == 2, "peepholes of both directions and gates")
        _check(peepholes.shape[2] == hidden, "peepholes of each state")
        first = &peepholes[0, 0, 0]
    if not sequences.n_tokens:
        return ElementwiseLayer(
            sequences.batch, 0, X.shape[1], hidden, n_maps, NULL, NULL, NULL, first, highway_scale,
            n_threads,
        )
    return ElementwiseLayer(
        sequences.batch, X.shape[0], X.shape[1], hidden, n_maps, &X[0, 0], &W[0, 0], NULL, first,
        highway_scale, n_threads,
    )


cdef ChainScores _read_chain(
    const float[:, ::1] emissions,
    Sequences sequences,
    const float[:, ::1] transitions,
    const float[::1] start,
    const float[::1] end,
) except *:
    """Check the shapes of a chain's arrays and return pointers to them; NULL if there are no
    tokens."""
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

