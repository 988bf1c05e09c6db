// Layers of bidirectional LSTMs above one another, in floats and for prediction only. A tile goes through all
// layers before the next one begins, and the inputs of a layer are multiplied for some steps
// at a time, so that little memory is needed between layers, however long the batch.

// Rows that are multiplied together, if there are so many: enough to read the weights seldom, few
// enough for their products (a third of a megabyte at 100 units) to stay in a second-level cache.
constexpr int BLOCK = 16 * TILE;

// A layer's weights in one direction.
struct DirectionWeights {
    Panels W;  // (2 * hidden + 1, 4 * padded), the last row is the bias; no columns if first
    Panels U;  // (hidden, 4 * padded)

    DirectionWeights(const LayerWeights& layer, int direction, int hidden)
        : W(2 * hidden + 1, layer.W ? GATES * round_up(hidden, LANES) : 0),
          U(hidden, GATES * round_up(hidden, LANES)) {
        const int width = GATES * hidden;
        pack_gates(layer.U + size_t(direction) * hidden * width, hidden, width, hidden, U, 0);
        if (!layer.W) return;
        pack_gates(layer.W + direction * width, 2 * hidden, 2 * width, hidden, W, 0);
        pack_gates(layer.bias + direction * width, 1, 2 * width, hidden, W, 2 * hidden);
    }
};

struct Stack {
    const int n_layers, hidden;
    DirectionWeights** directions;  // (n_layers, 2)

    Stack(int n_layers, int hidden)
        : n_layers(n_layers), hidden(hidden), directions(new DirectionWeights*[2 * n_layers]()) {}
    // What is made is deleted if there is not enough memory for all of it.
    Stack(const LayerWeights* layers, int n_layers, int hidden) : Stack(n_layers, hidden) {
        for (int i = 0; i < 2 * n_layers; ++i)
            directions[i] = new DirectionWeights(layers[i / 2], i % 2, hidden);
    }
    ~Stack() {
        for (int i = 0; i < 2 * n_layers; ++i) delete directions[i];
        delete[] directions;
    }
    Stack(const Stack&) = delete;
    Stack& operator=(const Stack&) = delete;
};

static void* new_stack(const LayerWeights* layers, int n_layers, int hidden) {
    return new Stack(layers, n_layers, hidden);
}

static void delete_stack(void* stack) { delete static_cast<Stack*>(stack); }

// The first layer looks its inputs up in a table.
static void read_rows(const Panels& U, int hidden, int direction, const StackInput& in,
                      const Tile& tile, const int64_t* places, float* states) {
    const int width = GATES * hidden;
    const auto inputs_at = [&](int s, int64_t step) {
        const int64_t row = 2 * in.rows[tile.token(s, step, direction)] + direction;
        return static_cast<const float*>(in.table) + row * width;
    };
    Recurrence recurrence(U, hidden);
    for (int64_t step = 0; step < tile.lengths[0]; ++step) {
        const int active = tile.at_step(step), still_active = tile.at_step(step + 1);
        for (int s = 0; s < still_active; ++s) prefetch(inputs_at(s, step + 1), width);
        recurrence.step<false>(step, active, [&](int s) {
            const int64_t place = places[s] + tile.position(s, step, direction);
            Step at = {};
            at.input = inputs_at(s, step);
            at.input_width = hidden;
            at.output = states + (2 * place + direction) * hidden;
            return at;
        });
    }
}

// The others multiply the states of the layer below.
class Block {
public:
    Block(int64_t n_rows, int hidden, int columns)
        : below_width(2 * hidden), n_columns(columns), below(n_rows * (2 * hidden + 1)),
          inputs(n_rows * columns) {}

    // Takes as many steps from `first` on as there is room for.
    // RETURNS the step after them.
    int64_t fill(const DirectionWeights& weights, int direction, const Tile& tile, int64_t first,
                 const int64_t* places, const float* states) {
        int n_rows = 0;
        int64_t step = first;
        for (; step < tile.lengths[0] && n_rows < BLOCK; ++step)
            for (int s = 0, active = tile.at_step(step); s < active; ++s, ++n_rows) {
                const int64_t place = places[s] + tile.position(s, step, direction);
                float* row = below + n_rows * (below_width + 1);
                std::memcpy(row, states + place * below_width, below_width * sizeof(float));
                row[below_width] = 1.f;
            }
        multiply(n_rows, below + 0, below_width + 1, weights.W, inputs + 0, n_columns);
        return step;
    }
    const float* row(int number) const { return inputs + number * n_columns; }

private:
    const int below_width, n_columns;
    Buffer<float> below, inputs;
};

static void read_states(const DirectionWeights& weights, int hidden, int direction, const Tile& tile,
                        const int64_t* places_below, const float* below, Block& block,
                        const int64_t* places, float* states) {
    Recurrence recurrence(weights.U, hidden);
    int64_t end_of_block = 0;
    int row = 0;
    for (int64_t step = 0; step < tile.lengths[0]; ++step) {
        if (step == end_of_block) {
            end_of_block = block.fill(weights, direction, tile, step, places_below, below);
            row = 0;
        }
        const int active = tile.at_step(step);
        recurrence.step<false>(step, active, [&](int s) {
            const int64_t place = places[s] + tile.position(s, step, direction);
            Step at = {};
            at.input = block.row(row + s);
            at.input_width = round_up(hidden, LANES);
            at.output = states + (2 * place + direction) * hidden;
            return at;
        });
        row += active;
    }
}

static void read_stack(const void* packed, const StackInput& in, float* states) {
    const Stack& stack = *static_cast<const Stack*>(packed);
    const int hidden = stack.hidden;
    const int64_t longest = in.batch.n_sequences ? in.batch.lengths[in.batch.order[0]] : 0;
    const int64_t n_together = in.batch.n_sequences < TILE ? in.batch.n_sequences : TILE;
    const int64_t most_rows = stack.n_layers > 1 ? n_together * longest : 0;
    const Tiles tiles(in.batch, in.n_threads);
    Tasks tasks(tiles.count());
    in_threads(tasks.threads(in.n_threads), [&] {
        // Outputs of the layers with even and with odd numbers.
        Buffer<float> even(most_rows * 2 * hidden), odd(stack.n_layers > 2 ? most_rows * 2 * hidden : 0);
        Block block(most_rows < BLOCK + TILE ? most_rows : BLOCK + TILE, hidden,
                    most_rows ? stack.directions[2]->W.columns : 0);
        for (int64_t number; tasks.take(number);) {
            const Tile tile = tiles.at(number);
            // Where each sequence begins in the rows between layers.
            int64_t between[TILE] = {};
            for (int s = 1; s < tile.n; ++s) between[s] = between[s - 1] + tile.lengths[s - 1];
            for (int layer = 0; layer < stack.n_layers; ++layer) {
                const bool last = layer == stack.n_layers - 1;
                float* to = last ? states : layer % 2 ? odd + 0 : even + 0;
                const float* below = layer % 2 ? even + 0 : odd + 0;
                const int64_t* places = last ? tile.starts : between;
                for (int direction = 0; direction < 2; ++direction) {
                    const DirectionWeights& weights = *stack.directions[2 * layer + direction];
                    if (layer) read_states(weights, hidden, direction, tile, between, below, block,
                                           places, to);
                    else read_rows(weights.U, hidden, direction, in, tile, places, to);
                }
            }
        }
    });
}
