// The best tag sequence of each sequence in a ragged batch.
// The sums are those of `chain/decoding.py` in the same order, so both break ties in the same way.

INLINE Vector larger(Vector a, Vector b) { return a > b ? a : b; }

// The best score with which WIDE vectors of tags are reached from any tag.
template <int WIDE>
INLINE void best_columns(const float* before, const Buffer<float>& from, int size, int padded, int column,
                         float* reached) {
    Vector best[WIDE];
    for (int w = 0; w < WIDE; ++w) best[w] = filled(-INFINITY);
    for (int i = 0; i < size; ++i)
        for (int w = 0; w < WIDE; ++w)
            best[w] = larger(before[i] + load(from + (i * padded + column + w * LANES)), best[w]);
    for (int w = 0; w < WIDE; ++w) store(reached + column + w * LANES, best[w]);
}

static void best_arrivals(const float* before, const Buffer<float>& from, int size, int padded,
                          float* reached) {
    int column = 0;
    for (; column + 5 * LANES <= padded; column += 5 * LANES)
        best_columns<5>(before, from, size, padded, column, reached);
    for (; column + 3 * LANES <= padded; column += 3 * LANES)
        best_columns<3>(before, from, size, padded, column, reached);
    for (; column < padded; column += LANES)
        best_columns<1>(before, from, size, padded, column, reached);
}

static void viterbi(const ChainScores& chain, int64_t* tags) {
    const int size = chain.n_tags, padded = round_up(size, LANES);
    const Vector nothing = filled(-INFINITY);
    // Transitions from each tag, and to each tag, in whole vectors.
    Buffer<float> from(size_t(size) * padded, -INFINITY), to(size_t(size) * padded, -INFINITY);
    for (int i = 0; i < size; ++i)
        for (int j = 0; j < size; ++j)
            *(from + (i * padded + j)) = *(to + (j * padded + i)) =
                chain.transitions[i * size + j];
    const Batch& batch = chain.batch;
    Buffer<float> scores(batch.n_sequences ? batch.lengths[batch.order[0]] * padded : 0);
    for (int64_t s = 0; s < batch.n_sequences; ++s) {
        const int64_t length = batch.lengths[s];
        const float* emissions = chain.emissions + batch.starts[s] * size;
        int64_t* best_tags = tags + batch.starts[s];
        for (int64_t t = 0; t < length; ++t, emissions += size) {
            float* here = scores + t * padded;
            const float* before = t ? here - padded : nullptr;
            if (t) best_arrivals(before, from, size, padded, here);
            Vector peak = nothing;
            for (int j = 0; j < padded; j += LANES) {
                const int n = size - j;
                Vector score = load_some(emissions + j, n);
                if (t == 0) score += load_some(chain.start + j, n);
                if (t == length - 1) score += load_some(chain.end + j, n);
                if (t) score += load(here + j);
                for (int lane = n; lane < LANES; ++lane) score[lane] = -INFINITY;
                store(here + j, score);
                peak = larger(score, peak);
            }
            if (!t) continue;
            // Only differences count; so scores stay small in sequences of any length.
            float highest = peak[0];
            for (int lane = 1; lane < LANES; ++lane)
                if (peak[lane] > highest) highest = peak[lane];
            if (highest - highest == 0.f)
                for (int j = 0; j < padded; j += LANES) store(here + j, load(here + j) - highest);
        }
        for (int64_t t = length - 1; t >= 0; --t) {
            const float* here = scores + t * padded;
            const float* next = t < length - 1 ? to + best_tags[t + 1] * padded : nullptr;
            int best = 0;
            float highest = -INFINITY;
            for (int i = 0; i < size; ++i) {
                const float sum = next ? here[i] + next[i] : here[i];
                if (sum > highest) {
                    highest = sum;
                    best = i;
                }
            }
            best_tags[t] = best;
        }
    }
}
