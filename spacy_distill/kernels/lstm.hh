// The steps of an LSTM over a ragged batch, one direction at a time. Sequences of about the same
// length go through all of their steps in tiles: states stay in the first-level cache, and each step
// multiplies a tile's states with the recurrent weights.

// Sequences that go through their steps together.
constexpr int TILE = 12;

enum Gate { INPUT, FORGET, OUTPUT, CANDIDATE, GATES };

// Where the tokens of a tile's sequences stand. The longest sequence comes first, so the sequences
// that have a token at a step are always the first ones.
struct Tile {
    int n = 0;
    int64_t starts[TILE], lengths[TILE];

    int at_step(int64_t step) const {
        int active = 0;
        while (active < n && lengths[active] > step) ++active;
        return active;
    }
    int64_t position(int sequence, int64_t step, int direction) const {
        return direction ? lengths[sequence] - 1 - step : step;
    }
    int64_t token(int sequence, int64_t step, int direction) const {
        return starts[sequence] + position(sequence, step, direction);
    }
};

// The sequences of a batch in tiles, the longest first: about as many tiles for each thread. No result
// depends on which sequences share a tile.
class Tiles {
public:
    Tiles(const Batch& batch, int n_threads) : batch(batch) {
        const int64_t at_once = int64_t(TILE) * n_threads;
        const int64_t n_tiles = (batch.n_sequences + at_once - 1) / at_once * n_threads;
        size = n_tiles ? (batch.n_sequences + n_tiles - 1) / n_tiles : 0;
    }
    int64_t count() const { return size ? (batch.n_sequences + size - 1) / size : 0; }
    Tile at(int64_t number) const {
        Tile tile;
        const int64_t first = number * size;
        for (; tile.n < size && first + tile.n < batch.n_sequences; ++tile.n) {
            const int64_t sequence = batch.order[first + tile.n];
            tile.starts[tile.n] = batch.starts[sequence];
            tile.lengths[tile.n] = batch.lengths[sequence];
        }
        return tile;
    }

private:
    const Batch& batch;
    int64_t size;
};

// Weights (rows, 4 * hidden), `stride` numbers from row to row, from a row of the panels on; each
// gate's columns are filled up to whole vectors.
static void pack_gates(const float* weights, int rows, size_t stride, int hidden, Panels& packed,
                       int first_row) {
    const int padded = round_up(hidden, LANES);
    for (int row = 0; row < rows; ++row)
        for (int gate = 0; gate < GATES; ++gate) {
            const float* from = weights + row * stride + gate * hidden;
            for (int unit = 0; unit < hidden; unit += LANES)
                store(packed.at(first_row + row, gate * padded + unit),
                      load_some(from + unit, hidden - unit));
        }
}

// The transpose of recurrent weights (hidden, 4 * hidden).
static void pack_transposed(const float* U, int hidden, Panels& packed) {
    const int padded = round_up(hidden, LANES);
    for (int column = 0; column < hidden; ++column)
        for (int gate = 0; gate < GATES; ++gate, U += hidden)
            for (int unit = 0; unit < hidden; ++unit)
                *packed.at(gate * padded + unit, column) = U[unit];
}

// Where a step of one sequence reads and writes. Rows have `hidden` numbers a gate; what belongs to
// the tile has `padded`.
struct Step {
    int hidden, padded;
    const float* input;      // (4, input_width) from below
    int input_width;
    const float* recurrent;  // (4, padded) from the states
    float* cell;             // (padded,) replaced
    float* state;            // (padded,)
    float* output;           // (hidden,) the state once more
    float* gates;            // (4, hidden) kept for the backward pass
    float* cells;            // (hidden,)
};

// `n` units from `unit` on.
template <bool KEEP>
INLINE void step_units(const Step& at, int unit, int n) {
    Vector x[GATES];
    for (int gate = 0; gate < GATES; ++gate)
        x[gate] = load(at.recurrent + gate * at.padded + unit) +
                  load_some(at.input + gate * at.input_width + unit, n);
    const Vector before = load(at.cell + unit);
    Vector cell, state;
    if (KEEP) {
        for (int gate = 0; gate < GATES; ++gate) {
            x[gate] = gate == CANDIDATE ? hyperbolic_tangent(x[gate]) : logistic(x[gate]);
            store_some(at.gates + gate * at.hidden + unit, x[gate], n);
        }
        cell = x[FORGET] * before + x[INPUT] * x[CANDIDATE];
        state = x[OUTPUT] * hyperbolic_tangent(cell);
        store_some(at.cells + unit, cell, n);
    } else {
        cell = logistic(x[FORGET]) * before + gated(x[INPUT], x[CANDIDATE]);
        state = gated(x[OUTPUT], cell);
    }
    store(at.cell + unit, cell);
    store(at.state + unit, state);
    store_some(at.output + unit, state, n);
}

// One direction's recurrent weights, and a tile's memory from step to step.
class Recurrence {
public:
    Recurrence(const Panels& U, int hidden)
        : U(U), hidden(hidden), padded(round_up(hidden, LANES)), gates(TILE * U.columns),
          states(TILE * padded, 0.f), cells(TILE * padded) {}

    // `place(sequence)` returns where each of the first `active` sequences reads and writes. Memory is
    // empty at step 0.
    template <bool KEEP, class Place>
    INLINE_METHOD void step(int64_t number, int active, Place place) {
        const int whole = hidden / LANES * LANES;
        if (number) {
            multiply(active, states + 0, padded, U, gates + 0, U.columns);
        } else {
            gates.fill(0.f);
            cells.fill(0.f);
        }
        for (int s = 0; s < active; ++s) {
            Step at = place(s);
            at.hidden = hidden;
            at.padded = padded;
            at.recurrent = gates + s * U.columns;
            at.cell = cells + s * padded;
            at.state = states + s * padded;
            for (int unit = 0; unit < whole; unit += LANES) step_units<KEEP>(at, unit, LANES);
            if (whole < hidden) step_units<KEEP>(at, whole, hidden - whole);
        }
    }

private:
    const Panels& U;
    const int hidden, padded;
    Buffer<float> gates, states, cells;
};

// Runs `read(tile, direction)` for all tiles in both directions.
template <class Read>
static void for_each_direction(const LstmLayer& in, Read read) {
    const Tiles tiles(in.batch, (in.n_threads + 1) / 2);
    Tasks tasks(2 * tiles.count());
    in_threads(tasks.threads(in.n_threads), [&] {
        for (int64_t task; tasks.take(task);) read(tiles.at(task / 2), int(task % 2));
    });
}

static void lstm_forward(const LstmLayer& in, const LstmStates& out) {
    const int hidden = in.hidden, width = GATES * hidden, n_tokens = int(in.n_tokens);
    const size_t n_inputs = in.n_inputs;
    multiply_matrices(in.n_threads, Product{n_tokens, 2 * width, in.n_inputs, {in.X, 1, n_inputs},
                                            {in.W, 1, n_inputs}, in.b, out.gates});
    const int columns = GATES * round_up(hidden, LANES);
    Panels U[2] = {{hidden, columns}, {hidden, columns}};
    for (int d = 0; d < 2; ++d) pack_gates(in.U + d * hidden * width, hidden, width, hidden, U[d], 0);
    for_each_direction(in, [&](const Tile& tile, int direction) {
        Recurrence recurrence(U[direction], hidden);
        for (int64_t step = 0; step < tile.lengths[0]; ++step)
            recurrence.step<true>(step, tile.at_step(step), [&](int s) {
                const int64_t place = 2 * tile.token(s, step, direction) + direction;
                Step at = {};
                at.input = at.gates = out.gates + place * width;
                at.input_width = hidden;
                at.output = out.states + place * hidden;
                at.cells = out.cells + place * hidden;
                return at;
            });
    });
}

// A step of the backward pass. Gradients that go to the step before are replaced: that of the cell
// here, that of the state by a product with the weights.
struct BackStep {
    int hidden, padded;
    const float* gates;        // (4, hidden) after their functions
    const float* cell;         // (hidden,)
    const float* cell_before;  // (hidden,) null at the first step
    const float* d_output;     // (hidden,) gradient of the state in the output
    const float* d_state;      // (padded,) and of the state as the next step's input
    float* d_cell;             // (padded,)
    float* d_input;            // (4, hidden) written
    float* d_gates;            // (4, padded) the same once more
};

INLINE void step_units_back(const BackStep& at, int unit, int n) {
    Vector x[GATES], d[GATES];
    for (int gate = 0; gate < GATES; ++gate)
        x[gate] = load_some(at.gates + gate * at.hidden + unit, n);
    const Vector d_state = load(at.d_state + unit) + load_some(at.d_output + unit, n);
    const Vector tanh_cell = hyperbolic_tangent(load_some(at.cell + unit, n));
    const Vector d_cell = load(at.d_cell + unit) + d_state * x[OUTPUT] * (1.f - tanh_cell * tanh_cell);
    const Vector before = at.cell_before ? load_some(at.cell_before + unit, n) : Vector{};
    d[INPUT] = d_cell * x[CANDIDATE] * x[INPUT] * (1.f - x[INPUT]);
    d[FORGET] = d_cell * before * x[FORGET] * (1.f - x[FORGET]);
    d[OUTPUT] = d_state * tanh_cell * x[OUTPUT] * (1.f - x[OUTPUT]);
    d[CANDIDATE] = d_cell * x[INPUT] * (1.f - x[CANDIDATE] * x[CANDIDATE]);
    store(at.d_cell + unit, d_cell * x[FORGET]);
    for (int gate = 0; gate < GATES; ++gate) {
        store_some(at.d_input + gate * at.hidden + unit, d[gate], n);
        store(at.d_gates + gate * at.padded + unit, d[gate]);
    }
}

static void read_back(const LstmLayer& in, const Panels& U, int direction, const Tile& tile,
                      const LstmStates& kept, const float* d_states, float* d_gates) {
    const int hidden = in.hidden, padded = round_up(hidden, LANES), whole = hidden / LANES * LANES;
    Buffer<float> d_tile(TILE * U.rows, 0.f), d_state(TILE * U.columns, 0.f);
    Buffer<float> d_cell(TILE * padded, 0.f);
    for (int64_t step = tile.lengths[0] - 1; step >= 0; --step) {
        const int active = tile.at_step(step);
        for (int s = 0; s < active; ++s) {
            const auto place = [&](int64_t step) {
                return 2 * tile.token(s, step, direction) + direction;
            };
            const int64_t here = place(step);
            if (step) prefetch(kept.gates + place(step - 1) * GATES * hidden, GATES * hidden);
            const BackStep at = {hidden, padded, kept.gates + here * GATES * hidden,
                                 kept.cells + here * hidden,
                                 step ? kept.cells + place(step - 1) * hidden : nullptr,
                                 d_states + here * hidden, d_state + s * U.columns,
                                 d_cell + s * padded, d_gates + here * GATES * hidden,
                                 d_tile + s * U.rows};
            for (int unit = 0; unit < whole; unit += LANES) step_units_back(at, unit, LANES);
            if (whole < hidden) step_units_back(at, whole, hidden - whole);
        }
        if (step) multiply(active, d_tile + 0, U.rows, U, d_state + 0, U.columns);
    }
}

// sums (n_columns,) over rows that are `stride` numbers apart.
static void sum_columns(const float* numbers, int n_rows, size_t stride, int n_columns, float* sums) {
    for (int column = 0; column < n_columns; ++column) sums[column] = 0.f;
    for (int row = 0; row < n_rows; ++row, numbers += stride)
        for (int column = 0; column < n_columns; ++column) sums[column] += numbers[column];
}

static void lstm_backward(const LstmLayer& in, const LstmStates& kept, const float* d_states,
                          const LstmGradients& out) {
    const int hidden = in.hidden, n_tokens = int(in.n_tokens);
    const size_t width = GATES * hidden, n_inputs = in.n_inputs;
    const int rows = GATES * round_up(hidden, LANES);
    Panels U[2] = {{rows, hidden}, {rows, hidden}};
    for (int d = 0; d < 2; ++d) pack_transposed(in.U + d * hidden * width, hidden, U[d]);
    static thread_local Scratch scratch;
    float* d_gates = scratch.at_least(in.n_tokens * 2 * width);
    for_each_direction(in, [&](const Tile& tile, int direction) {
        read_back(in, U[direction], direction, tile, kept, d_states, d_gates);
    });
    Tasks sums(2 * GATES);
    in_threads(sums.threads(in.n_threads), [&] {
        for (int64_t task; sums.take(task);)
            sum_columns(d_gates + task * hidden, n_tokens, 2 * width, hidden, out.b + task * hidden);
    });
    // The tokens of the states that gates read, and the tokens of these gates, of the forward direction;
    // of the backward direction it is the other way round.
    const int n_read = int(in.n_tokens - in.batch.n_sequences);
    Buffer<int64_t> earlier(n_read), later(n_read);
    for (int64_t s = 0, row = 0; s < in.batch.n_sequences; ++s)
        for (int64_t t = 1; t < in.batch.lengths[s]; ++t, ++row) {
            *(earlier + row) = in.batch.starts[s] + t - 1;
            *(later + row) = in.batch.starts[s] + t;
        }
    const float* states = kept.states;
    const size_t n_states = 2 * hidden, n_gates = 2 * width;
    multiply_matrices(
        in.n_threads,
        Product{n_tokens, in.n_inputs, int(n_gates), {d_gates, 1, n_gates}, {in.W, n_inputs, 1},
                nullptr, out.X},
        Product{int(n_gates), in.n_inputs, n_tokens, {d_gates, n_gates, 1}, {in.X, n_inputs, 1},
                nullptr, out.W},
        Product{hidden, int(width), n_read, {states, n_states, 1, earlier + 0},
                {d_gates, n_gates, 1, later + 0}, nullptr, out.U},
        Product{hidden, int(width), n_read, {states + hidden, n_states, 1, later + 0},
                {d_gates + width, n_gates, 1, earlier + 0}, nullptr, out.U + hidden * width});
}
