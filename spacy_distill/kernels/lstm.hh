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

// Where a step of one sequence and direction reads and writes. Rows have `hidden` numbers a gate;
// what belongs to the tile has `padded`.
struct Step {
    int hidden, padded;
    const float* given;      // (4, hidden) from below
    const float* bias;       // (4, padded)
    const float* recurrent;  // (4, padded) from the states
    float* cell;             // (padded,) replaced
    float* state;            // (padded,)
    float* shown;            // (hidden,) the state once more, in the output
    float* gates;            // (4, hidden) what is kept for the way back
    float* cells;            // (hidden,)
};

// `n` units from `unit` on.
template <bool KEEP>
INLINE void step_units(const Step& at, int unit, int n) {
    Vector x[GATES];
    for (int gate = 0; gate < GATES; ++gate) {
        x[gate] = load(at.recurrent + gate * at.padded + unit) +
                  load(at.bias + gate * at.padded + unit) +
                  load_some(at.given + gate * at.hidden + unit, n);
        x[gate] = gate == CANDIDATE ? hyperbolic_tangent(x[gate]) : logistic(x[gate]);
        if (KEEP) store_some(at.gates + gate * at.hidden + unit, x[gate], n);
    }
    const Vector cell = x[FORGET] * load(at.cell + unit) + x[INPUT] * x[CANDIDATE];
    const Vector state = x[OUTPUT] * hyperbolic_tangent(cell);
    store(at.cell + unit, cell);
    store(at.state + unit, state);
    store_some(at.shown + unit, state, n);
    if (KEEP) store_some(at.cells + unit, cell, n);
}

INLINE void prefetch(const float* from, int n) {
    for (int i = 0; i < n; i += 16) __builtin_prefetch(from + i);
}

template <bool KEEP>
static void forward_direction(const LstmInput& in, int direction, const LstmOutput& out) {
    const int hidden = in.hidden, padded = round_up(hidden, LANES), whole = hidden / LANES * LANES;
    Panels U(hidden, GATES * padded);
    pack_recurrent(in.U + size_t(direction) * hidden * GATES * hidden, hidden, U);
    Buffer bias(GATES * padded);
    for (int i = 0; in.bias && i < GATES * hidden; ++i)
        *(bias + (i / hidden * padded + i % hidden)) = in.bias[direction * GATES * hidden + i];
    const auto given = [&](int64_t token) {
        const int64_t row = in.rows ? in.rows[token] : token;
        return in.inputs + (2 * row + direction) * GATES * hidden;
    };
    Buffer gates(TILE * U.columns), states(TILE * padded), cells(TILE * padded);
    for_each_tile(in.batch, direction == 1, [&](const Tile& tile) {
        cells.fill(0.f);
        for (int64_t step = 0; step < tile.lengths[0]; ++step) {
            const int active = tile.at_step(step);
            if (step) multiply(active, states + 0, padded, U, gates + 0, U.columns);
            else gates.fill(0.f);
            for (int s = 0; s < active; ++s) {
                const int64_t token = tile.token(s, step), place = 2 * token + direction;
                // Rows of a table are anywhere in memory.
                if (step + 1 < tile.lengths[s])
                    prefetch(given(tile.token(s, step + 1)), GATES * hidden);
                const Step at = {hidden, padded, given(token), bias + 0, gates + s * U.columns,
                                 cells + s * padded, states + s * padded,
                                 out.states + place * hidden,
                                 KEEP ? out.gates + place * GATES * hidden : nullptr,
                                 KEEP ? out.cells + place * hidden : nullptr};
                for (int unit = 0; unit < whole; unit += LANES) step_units<KEEP>(at, unit, LANES);
                if (whole < hidden) step_units<KEEP>(at, whole, hidden - whole);
            }
        }
    });
}

static void lstm_forward(const LstmInput& in, const LstmOutput& out) {
    for (int direction = 0; direction < 2; ++direction)
        out.gates ? forward_direction<true>(in, direction, out)
                  : forward_direction<false>(in, direction, out);
}

// The same for the way back. What goes one step back is replaced: the states' gradient by the
// product with the weights, the cells' here.
struct BackStep {
    int hidden, padded;
    const float* gates;        // (4, hidden) as they were opened
    const float* cell;         // (hidden,)
    const float* cell_before;  // (hidden,) null at the first step
    const float* d_shown;      // (hidden,) gradient of the state in the output
    const float* d_state;      // (padded,) and of the state as the next step's input
    float* d_cell;             // (padded,)
    float* d_given;            // (4, hidden) written
    float* d_gates;            // (4, padded) the same once more
};

INLINE void step_units_back(const BackStep& at, int unit, int n) {
    Vector x[GATES], d[GATES];
    for (int gate = 0; gate < GATES; ++gate)
        x[gate] = load_some(at.gates + gate * at.hidden + unit, n);
    const Vector d_state = load(at.d_state + unit) + load_some(at.d_shown + unit, n);
    const Vector shown = hyperbolic_tangent(load_some(at.cell + unit, n));
    const Vector d_cell = load(at.d_cell + unit) + d_state * x[OUTPUT] * (1.f - shown * shown);
    const Vector before = at.cell_before ? load_some(at.cell_before + unit, n) : Vector{};
    d[INPUT] = d_cell * x[CANDIDATE] * x[INPUT] * (1.f - x[INPUT]);
    d[FORGET] = d_cell * before * x[FORGET] * (1.f - x[FORGET]);
    d[OUTPUT] = d_state * shown * x[OUTPUT] * (1.f - x[OUTPUT]);
    d[CANDIDATE] = d_cell * x[INPUT] * (1.f - x[CANDIDATE] * x[CANDIDATE]);
    store(at.d_cell + unit, d_cell * x[FORGET]);
    for (int gate = 0; gate < GATES; ++gate) {
        store_some(at.d_given + gate * at.hidden + unit, d[gate], n);
        store(at.d_gates + gate * at.padded + unit, d[gate]);
    }
}

static void backward_direction(const LstmInput& in, int direction, const LstmOutput& kept,
                               const float* d_states, float* d_gates) {
    const int hidden = in.hidden, padded = round_up(hidden, LANES), whole = hidden / LANES * LANES;
    Panels U(GATES * padded, hidden);
    pack_transposed(in.U + size_t(direction) * hidden * GATES * hidden, hidden, U);
    Buffer d_tile(TILE * U.rows), d_state(TILE * U.columns), d_cell(TILE * padded);
    for_each_tile(in.batch, direction == 1, [&](const Tile& tile) {
        d_state.fill(0.f);
        d_cell.fill(0.f);
        for (int64_t step = tile.lengths[0] - 1; step >= 0; --step) {
            const int active = tile.at_step(step);
            for (int s = 0; s < active; ++s) {
                const auto place = [&](int64_t step) {
                    return 2 * tile.token(s, step) + direction;
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
    });
}

static void lstm_backward(const LstmInput& in, const LstmOutput& kept, const float* d_states,
                          float* d_gates) {
    for (int direction = 0; direction < 2; ++direction)
        backward_direction(in, direction, kept, d_states, d_gates);
}
