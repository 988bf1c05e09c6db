// An LSTM in both directions over a ragged batch. Sequences of about the same length go through
// all of their steps in tiles: states stay in the first-level cache, and each step multiplies a
// tile's states with the recurrent weights.

// Sequences that go through their steps together.
constexpr int TILE = 12;

enum Gate { INPUT, FORGET, OUTPUT, CANDIDATE, GATES };

// Where the tokens of a tile's sequences stand. The longest sequence comes first, so the sequences
// that have a token at a step are always the first ones.
struct Tile {
    int n = 0;
    int64_t starts[TILE], lengths[TILE];
    bool reversed;

    int at_step(int64_t step) const {
        int active = 0;
        while (active < n && lengths[active] > step) ++active;
        return active;
    }
    int64_t token(int sequence, int64_t step) const {
        return starts[sequence] + (reversed ? lengths[sequence] - 1 - step : step);
    }
};

template <class Visit>
static void for_each_tile(const Batch& batch, bool reversed, Visit visit) {
    for (int64_t first = 0; first < batch.n_sequences; first += TILE) {
        Tile tile;
        tile.reversed = reversed;
        for (; tile.n < TILE && first + tile.n < batch.n_sequences; ++tile.n) {
            const int64_t sequence = batch.order[first + tile.n];
            tile.starts[tile.n] = batch.starts[sequence];
            tile.lengths[tile.n] = batch.lengths[sequence];
        }
        visit(tile);
    }
}

// One direction's recurrent weights U (hidden, 4 * hidden), each gate's columns filled up to whole
// vectors.
static void pack_recurrent(const float* U, int hidden, Panels& packed) {
    const int padded = round_up(hidden, LANES);
    for (int row = 0; row < hidden; ++row)
        for (int gate = 0; gate < GATES; ++gate, U += hidden)
            for (int unit = 0; unit < hidden; unit += LANES)
                store(packed.at(row, gate * padded + unit), load_some(U + unit, hidden - unit));
}

// Their transpose.
static void pack_transposed(const float* U, int hidden, Panels& packed) {
    const int padded = round_up(hidden, LANES);
    for (int column = 0; column < hidden; ++column)
        for (int gate = 0; gate < GATES; ++gate, U += hidden)
            for (int unit = 0; unit < hidden; ++unit)
                *packed.at(gate * padded + unit, column) = U[unit];
}

template <bool KEEP>
static void forward_direction(const LstmInput& in, int direction, const LstmOutput& out) {
    const int hidden = in.hidden, padded = round_up(hidden, LANES);
    Panels U(hidden, GATES * padded);
    pack_recurrent(in.U + size_t(direction) * hidden * GATES * hidden, hidden, U);
    const float* bias = in.bias ? in.bias + direction * GATES * hidden : nullptr;
    Buffer gates(TILE * U.columns), states(TILE * padded), cells(TILE * padded);
    for_each_tile(in.batch, direction == 1, [&](const Tile& tile) {
        cells.fill(0.f);
        for (int64_t step = 0; step < tile.lengths[0]; ++step) {
            const int active = tile.at_step(step);
            if (step) multiply(active, states + 0, padded, U, gates + 0, U.columns);
            else gates.fill(0.f);
            for (int s = 0; s < active; ++s) {
                const int64_t token = tile.token(s, step);
                const int64_t row = in.rows ? in.rows[token] : token;
                const float* given = in.inputs + (2 * row + direction) * GATES * hidden;
                const float* recurrent = gates + s * U.columns;
                float* kept = KEEP ? out.gates + (2 * token + direction) * GATES * hidden : nullptr;
                for (int unit = 0; unit < hidden; unit += LANES) {
                    const int n = hidden - unit;
                    Vector x[GATES];
                    for (int gate = 0; gate < GATES; ++gate) {
                        x[gate] = load(recurrent + gate * padded + unit) +
                                  load_some(given + gate * hidden + unit, n);
                        if (bias) x[gate] += load_some(bias + gate * hidden + unit, n);
                        x[gate] = gate == CANDIDATE ? hyperbolic_tangent(x[gate])
                                                    : logistic(x[gate]);
                        if (KEEP) store_some(kept + gate * hidden + unit, x[gate], n);
                    }
                    Vector cell = x[FORGET] * load(cells + (s * padded + unit)) +
                                  x[INPUT] * x[CANDIDATE];
                    Vector state = x[OUTPUT] * hyperbolic_tangent(cell);
                    store(cells + (s * padded + unit), cell);
                    store(states + (s * padded + unit), state);
                    store_some(out.states + (2 * token + direction) * hidden + unit, state, n);
                    if (KEEP)
                        store_some(out.cells + (2 * token + direction) * hidden + unit, cell, n);
                }
            }
        }
    });
}

static void lstm_forward(const LstmInput& in, const LstmOutput& out) {
    for (int direction = 0; direction < 2; ++direction)
        out.gates ? forward_direction<true>(in, direction, out)
                  : forward_direction<false>(in, direction, out);
}

static void backward_direction(const LstmInput& in, int direction, const LstmOutput& kept,
                               const float* d_states, float* d_gates) {
    const int hidden = in.hidden, padded = round_up(hidden, LANES);
    Panels U(GATES * padded, hidden);
    pack_transposed(in.U + size_t(direction) * hidden * GATES * hidden, hidden, U);
    // Gradients of a tile's gates at one step, and what of the states and cells goes one step back.
    Buffer d_tile(TILE * U.rows), d_state(TILE * U.columns), d_cell(TILE * padded);
    for_each_tile(in.batch, direction == 1, [&](const Tile& tile) {
        d_state.fill(0.f);
        d_cell.fill(0.f);
        for (int64_t step = tile.lengths[0] - 1; step >= 0; --step) {
            const int active = tile.at_step(step);
            for (int s = 0; s < active; ++s) {
                const int64_t place = 2 * tile.token(s, step) + direction;
                const int64_t before = step ? 2 * tile.token(s, step - 1) + direction : 0;
                const float* gates = kept.gates + place * GATES * hidden;
                float* d_here = d_gates + place * GATES * hidden;
                for (int unit = 0; unit < hidden; unit += LANES) {
                    const int n = hidden - unit;
                    Vector x[GATES], d[GATES];
                    for (int gate = 0; gate < GATES; ++gate)
                        x[gate] = load_some(gates + gate * hidden + unit, n);
                    Vector d_out = load(d_state + (s * U.columns + unit)) +
                                   load_some(d_states + place * hidden + unit, n);
                    Vector shown =
                        hyperbolic_tangent(load_some(kept.cells + place * hidden + unit, n));
                    Vector d_inner = load(d_cell + (s * padded + unit)) +
                                     d_out * x[OUTPUT] * (1.f - shown * shown);
                    Vector cell_before = {};
                    if (step) cell_before = load_some(kept.cells + before * hidden + unit, n);
                    d[INPUT] = d_inner * x[CANDIDATE] * x[INPUT] * (1.f - x[INPUT]);
                    d[FORGET] = d_inner * cell_before * x[FORGET] * (1.f - x[FORGET]);
                    d[OUTPUT] = d_out * shown * x[OUTPUT] * (1.f - x[OUTPUT]);
                    d[CANDIDATE] = d_inner * x[INPUT] * (1.f - x[CANDIDATE] * x[CANDIDATE]);
                    store(d_cell + (s * padded + unit), d_inner * x[FORGET]);
                    for (int gate = 0; gate < GATES; ++gate) {
                        store_some(d_here + gate * hidden + unit, d[gate], n);
                        store(d_tile + (s * U.rows + gate * padded + unit), d[gate]);
                    }
                }
            }
            if (step) multiply(active, d_tile + 0, U.rows, U, d_state + 0, U.columns);
        }
    });
}

static void lstm_backward(const LstmInput& in, const LstmOutput& kept, const float* d_states,
                          float* d_gates) {
    for (int direction = 0; direction < 2; ++direction)
        backward_direction(in, direction, kept, d_states, d_gates);
}
