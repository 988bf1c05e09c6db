// The layers of `stack.hh` in integers. The states of an LSTM lie in (-1, 1), so a byte holds them with
// a fixed scale. Weights have a byte too, and a scale for each column. Sums of integers are exact, and each operation on floats rounds separately. So every instruction set
// gives the same result bit by bit, and so does numpy (`models/integer_recurrence.py`).

// A byte `q` stands for the state (q - ZERO) / STATE_SCALE. Where `dot` wants bytes without signs, ZERO is
// 128, and a sum starts with what that adds. Weights stand for up to WEIGHT_SCALE steps.
constexpr int ZERO = DOT_TAKES_SIGNS ? 0 : 128;
constexpr float STATE_SCALE = 127.f, WEIGHT_SCALE = 127.f;

// Weights (rows, columns), `stride` numbers from row to row.
struct Matrix {
    const float* numbers;
    int rows;
    size_t stride;
};

// The weights of columns that are multiplied with the states below and with a layer's own. Four rows are
// side by side: what `dot` takes at a time.
class IntegerWeights {
public:
    const int columns;  // a multiple of LANES
    const int below_groups, groups;  // fours of rows, those of the layer below first
    Buffer<float> scales, bias;      // (columns,)
    Buffer<int32_t> offsets;         // (columns,) what a sum starts with

    // Either matrix can be without rows, and `added` null. A state of 1 is `state_scale` steps.
    IntegerWeights(int n_columns, const Matrix& below, const Matrix& own, const float* added,
                   float state_scale)
        : columns(round_up(n_columns, LANES)), below_groups(round_up(below.rows, 4) / 4),
          groups(below_groups + round_up(own.rows, 4) / 4), scales(columns, 0.f),
          bias(columns, 0.f), offsets(columns, 0), weights(size_t(columns) * groups * 4, 0) {
        for (int column = 0; column < n_columns; ++column) {
            const float step = larger_of(largest(below, column), largest(own, column)) / WEIGHT_SCALE;
            const int32_t sum = step ? put(below, column, 0, step) + put(own, column, below_groups, step) : 0;
            *(scales + column) = step / state_scale;
            *(offsets + column) = -ZERO * sum;
            if (added) *(bias + column) = added[column];
        }
    }

    // The weights of LANES columns from `column` on, (groups, LANES, 4).
    const int8_t* panel(int column) const { return weights + size_t(column) * groups * 4; }

private:
    Buffer<int8_t> weights;

    static float larger_of(float a, float b) { return std::fmax(a, std::fabs(b)); }
    static float largest(const Matrix& from, int column) {
        float found = 0.f;
        for (int k = 0; k < from.rows; ++k)
            found = larger_of(found, from.numbers[k * from.stride + column]);
        return found;
    }
    // RETURNS the sum of a column's bytes.
    int32_t put(const Matrix& from, int column, int group, float step) {
        int32_t sum = 0;
        for (int k = 0; k < from.rows; ++k) {
            const int whole = std::lrint(from.numbers[k * from.stride + column] / step);
            const size_t place =
                (size_t(column / LANES) * groups + group + k / 4) * LANES + column % LANES;
            *(weights + (4 * place + k % 4)) = whole;
            sum += whole;
        }
        return sum;
    }
};

// A layer of an LSTM in one direction.
static IntegerWeights* new_lstm_weights(const LayerWeights& layer, int direction, int hidden) {
    const int width = GATES * hidden;
    const Matrix own = {layer.U + size_t(direction) * hidden * width, hidden, size_t(width)};
    if (!layer.W) return new IntegerWeights(width, {nullptr, 0, 0}, own, nullptr, STATE_SCALE);
    const Matrix below = {layer.W + direction * width, 2 * hidden, size_t(2 * width)};
    return new IntegerWeights(width, below, own, layer.bias + direction * width, STATE_SCALE);
}

// The bytes that are multiplied, such as of one step of a tile: what is below of each sequence, and its own
// states before.
struct ByteRows {
    const uint8_t* const* below;
    const uint8_t* own;  // (sequences, own_width)
    int own_width;
};

INLINE int32_t four_bytes(const uint8_t* from) {
    int32_t bytes;
    std::memcpy(&bytes, from, sizeof bytes);
    return bytes;
}

// ROWS rows of a product with WIDE vectors of columns from `column` on.
template <int ROWS, int WIDE>
static void multiply_bytes(const IntegerWeights& weights, int column, const ByteRows& in, int row,
                           float* product) {
    IntVector sums[ROWS][WIDE];
    for (int w = 0; w < WIDE; ++w) {
        IntVector offset;
        std::memcpy(&offset, weights.offsets + (column + w * LANES), sizeof offset);
        for (int r = 0; r < ROWS; ++r) sums[r][w] = offset;
    }
    const int panel = weights.groups * LANES * 4;
    const int8_t* from = weights.panel(column);
    const auto add = [&](const uint8_t* const* bytes, int n) {
        for (int group = 0; group < n; ++group, from += LANES * 4)
            for (int w = 0; w < WIDE; ++w)
                for (int r = 0; r < ROWS; ++r)
                    sums[r][w] = dot(sums[r][w], four_bytes(bytes[r] + 4 * group), from + w * panel);
    };
    const uint8_t *below[ROWS], *own[ROWS];
    for (int r = 0; r < ROWS; ++r) {
        below[r] = in.below[row + r];
        own[r] = in.own + (row + r) * in.own_width;
    }
    add(below, weights.below_groups);
    add(own, weights.groups - weights.below_groups);
    for (int w = 0; w < WIDE; ++w) {
        const int first = column + w * LANES;
        const Vector scale = load(weights.scales + first), bias = load(weights.bias + first);
        for (int r = 0; r < ROWS; ++r)
            store(product + (row + r) * weights.columns + first,
                  __builtin_convertvector(sums[r][w], Vector) * scale + bias);
    }
}

template <int ROWS>
static void multiply_bytes(const IntegerWeights& weights, int column, int wide, const ByteRows& in,
                           int row, float* product) {
    switch (wide) {
        case 1: return multiply_bytes<ROWS, 1>(weights, column, in, row, product);
        case 2: return multiply_bytes<ROWS, 2>(weights, column, in, row, product);
        case 3: return multiply_bytes<ROWS, 3>(weights, column, in, row, product);
        default: return multiply_bytes<ROWS, 4>(weights, column, in, row, product);
    }
}

// Not a part of its caller, in which GCC 12 has no registers left for the sums.
__attribute__((noinline)) static void multiply_alone(const IntegerWeights& weights, int column,
                                                     int wide, const ByteRows& in, int row,
                                                     float* product) {
    multiply_bytes<1>(weights, column, wide, in, row, product);
}

// product (rows, columns): what the gates get of all rows.
static void multiply_bytes(const IntegerWeights& weights, int rows, const ByteRows& in,
                           float* product) {
    // A row alone leaves registers for more columns.
    const int width = (rows == 1 ? 4 : PRODUCT_WIDTH) * LANES;
    for (int column = 0; column < weights.columns; column += width) {
        const int left = weights.columns - column;
        const int wide = (left < width ? left : width) / LANES;
        int row = 0;
        for (; row + PRODUCT_ROWS <= rows; row += PRODUCT_ROWS)
            multiply_bytes<PRODUCT_ROWS>(weights, column, wide, in, row, product);
        for (; row + 2 <= rows; row += 2)
            multiply_bytes<2>(weights, column, wide, in, row, product);
        if (row < rows) multiply_alone(weights, column, wide, in, row, product);
    }
}

// A fraction, so that many need few divisions.
struct Fraction {
    Vector above, below;
};

// tanh(x) to 7e-5, fitted for the least error; NaN stays NaN.
INLINE Fraction rational_tangent(Vector x) {
    x = at_least(at_most(x, 5.25f), -5.25f);
    const Vector y = x * x;
    return {x * (9.9975e-1f + y * (1.0087e-1f + y * 6.31e-4f)),
            1.f + y * (4.3352e-1f + y * 1.239e-2f)};
}

// logistic(x) = (1 + tanh(x / 2)) / 2, twice the fraction.
INLINE Fraction twice_logistic(Vector x) {
    const Fraction t = rational_tangent(x * .5f);
    return {t.below + t.above, t.below};
}

// Where a step of one sequence reads and writes.
struct IntegerStep {
    int hidden;
    const float* product;  // (4, hidden) and up to LANES more that are not used
    const uint16_t* given; // (4, hidden) from the table; null if the product has all
    float* cell;           // (padded,) replaced
    uint8_t* own;          // (padded,) the state for the next step
    uint8_t* above;        // (hidden,) and for the next layer; null in the last one
    float* output;         // (hidden,) the state of the last layer, else null
};

// `n` units from `unit` on.
INLINE void integer_step_units(const IntegerStep& at, int unit, int n) {
    Vector x[GATES];
    for (int gate = 0; gate < GATES; ++gate) {
        x[gate] = load(at.product + gate * at.hidden + unit);
        if (at.given) x[gate] += load_some_halves(at.given + gate * at.hidden + unit, n);
    }
    const Fraction input = twice_logistic(x[INPUT]), forget = twice_logistic(x[FORGET]);
    const Fraction output = twice_logistic(x[OUTPUT]), candidate = rational_tangent(x[CANDIDATE]);
    const Vector entering = input.below * candidate.below;
    const Vector cell = (forget.above * load(at.cell + unit) * entering +
                         input.above * candidate.above * forget.below) /
                        (2.f * forget.below * entering);
    const Fraction shown = rational_tangent(cell);
    const Vector state = output.above * shown.above / (2.f * output.below * shown.below);
    store(at.cell + unit, cell);
    if (at.output) store_some(at.output + unit, state, n);
    // What is no number counts as 0. After the addition, the nearest whole number is in the lowest bits.
    const Vector number = state == state ? state : filled(0.f);
    const Vector shifted = number * STATE_SCALE + (12582912.f + ZERO);
    IntVector bits;
    std::memcpy(&bits, &shifted, sizeof bits);
    const ByteVector bytes = __builtin_convertvector(bits & 255, ByteVector);
    std::memcpy(at.own + unit, &bytes, LANES);
    if (at.above) std::memcpy(at.above + unit, &bytes, n < LANES ? n : LANES);
}

// A tile's memory from step to step, in one direction of one layer.
struct IntegerTile {
    const int padded, own_width;
    Buffer<float> product, cells;
    Buffer<uint8_t> own;

    IntegerTile(int hidden, int columns)
        // A vector's columns and bytes beyond the last one are read, and not used.
        : padded(round_up(hidden, LANES)), own_width(round_up(hidden, LANES) + 4),
          product(size_t(TILE) * columns + LANES, 0.f), cells(size_t(TILE) * padded),
          own(size_t(TILE) * own_width) {}

    void forget() {
        cells.fill(0.f);
        own.fill(ZERO);
    }
};

class IntegerStack {
public:
    const int n_layers, hidden;

    IntegerStack(const LayerWeights* layers, int n_layers, int hidden)
        : IntegerStack(n_layers, hidden) {
        for (int i = 0; i < 2 * n_layers; ++i)
            directions[i] = new_lstm_weights(layers[i / 2], i % 2, hidden);
    }
    ~IntegerStack() {
        for (int i = 0; i < 2 * n_layers; ++i) delete directions[i];
        delete[] directions;
    }
    IntegerStack(const IntegerStack&) = delete;
    IntegerStack& operator=(const IntegerStack&) = delete;

    void read(const StackInput& in, float* states) const {
        const int64_t longest = in.batch.n_sequences ? in.batch.lengths[in.batch.order[0]] : 0;
        const int64_t n_together = in.batch.n_sequences < TILE ? in.batch.n_sequences : TILE;
        const size_t n_bytes = n_layers > 1 ? n_together * longest * 2 * hidden : 0;
        const Tiles tiles(in.batch, in.n_threads);
        Tasks tasks(tiles.count());
        in_threads(tasks.threads(in.n_threads), [&] {
            // What the layers with even and with odd numbers hand on; four bytes are read at a time.
            Buffer<uint8_t> even(n_bytes + 4, ZERO), odd(n_layers > 2 ? n_bytes + 4 : 0, ZERO);
            IntegerTile memory(hidden, directions[0]->columns);
            for (int64_t number; tasks.take(number);) {
                const Tile tile = tiles.at(number);
                for (int layer = 0; layer < n_layers; ++layer) {
                    const bool last = layer == n_layers - 1;
                    const uint8_t* below = layer % 2 ? even + 0 : odd + 0;
                    uint8_t* above = last ? nullptr : layer % 2 ? odd + 0 : even + 0;
                    for (int direction = 0; direction < 2; ++direction)
                        read_layer(layer, direction, in, tile, below, above, memory, states);
                }
            }
        });
    }

private:
    IntegerWeights** const directions;  // (n_layers, 2)

    // What is made is deleted if there is not enough memory for all of it.
    IntegerStack(int n_layers, int hidden)
        : n_layers(n_layers), hidden(hidden), directions(new IntegerWeights*[2 * n_layers]()) {}

    void read_layer(int layer, int direction, const StackInput& in, const Tile& tile,
                    const uint8_t* below, uint8_t* above, IntegerTile& memory,
                    float* states) const {
        const IntegerWeights& weights = *directions[2 * layer + direction];
        const int whole = hidden / LANES * LANES, width = GATES * hidden;
        // Where each sequence begins in the rows between layers.
        int64_t places[TILE] = {};
        for (int s = 1; s < tile.n; ++s) places[s] = places[s - 1] + tile.lengths[s - 1];
        const auto given = [&](int s, int64_t step) {
            const int64_t row = 2 * in.rows[tile.token(s, step, direction)] + direction;
            return static_cast<const uint16_t*>(in.table) + row * width;
        };
        memory.forget();
        const uint8_t* states_below[TILE] = {};
        const ByteRows rows = {states_below, memory.own + 0, memory.own_width};
        for (int64_t step = 0; step < tile.lengths[0]; ++step) {
            const int active = tile.at_step(step), still_active = tile.at_step(step + 1);
            const auto place = [&](int s) { return places[s] + tile.position(s, step, direction); };
            for (int s = 0; layer && s < active; ++s)
                states_below[s] = below + place(s) * 2 * hidden;
            for (int s = 0; !layer && s < still_active; ++s) prefetch(given(s, step + 1), width);
            multiply_bytes(weights, active, rows, memory.product + 0);
            for (int s = 0; s < active; ++s) {
                IntegerStep at = {};
                at.hidden = hidden;
                at.product = memory.product + s * weights.columns;
                at.given = layer ? nullptr : given(s, step);
                at.cell = memory.cells + s * memory.padded;
                at.own = memory.own + s * memory.own_width;
                if (above) at.above = above + (2 * place(s) + direction) * hidden;
                else at.output = states + (2 * tile.token(s, step, direction) + direction) * hidden;
                for (int unit = 0; unit < whole; unit += LANES) integer_step_units(at, unit, LANES);
                if (whole < hidden) integer_step_units(at, whole, hidden - whole);
            }
        }
    }
};

static void* new_integer_stack(const LayerWeights* layers, int n_layers, int hidden) {
    return new IntegerStack(layers, n_layers, hidden);
}

static void delete_integer_stack(void* stack) { delete static_cast<IntegerStack*>(stack); }

static void read_integer_stack(const void* stack, const StackInput& in, float* states) {
    static_cast<const IntegerStack*>(stack)->read(in, states);
}
