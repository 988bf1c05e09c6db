// Forward and backward weights of a linear chain, rescaled at each token, in doubles: what
// `scaled_trellis` in `chain/forward_backward.py` computes, sequence by sequence.

// reached[j] = sum of before[i] * links[i, j]
static void through(const double* before, const double* links, int size, double* reached) {
    for (int j = 0; j < size; ++j) reached[j] = 0.0;
    for (int i = 0; i < size; ++i) {
        const double weight = before[i];
        if (weight == 0.0) continue;
        const double* row = links + size_t(i) * size;
        for (int j = 0; j < size; ++j) reached[j] += weight * row[j];
    }
}

static bool forward_backward(const ChainScores& chain, const ChainWeights& out) {
    const int size = chain.n_tags;
    const size_t n_pairs = size_t(size) * size;
    double link_peak = -INFINITY;
    for (size_t pair = 0; pair < n_pairs; ++pair)
        if (chain.transitions[pair] > link_peak) link_peak = chain.transitions[pair];
    if (!(link_peak - link_peak == 0.0)) return false;
    for (int i = 0; i < size; ++i)
        for (int j = 0; j < size; ++j) {
            const double weight = std::exp(double(chain.transitions[i * size + j]) - link_peak);
            out.links[i * size + j] = weight;
            out.back_links[j * size + i] = weight;
        }
    const Batch& batch = chain.batch;
    for (int64_t s = 0; s < batch.n_sequences; ++s) {
        const int64_t length = batch.lengths[s];
        const size_t first = size_t(batch.starts[s]) * size;
        double log_partition = 0.0;
        // `arrivals` holds the tokens' own weights on the way.
        for (int64_t t = 0; t < length; ++t) {
            const float* emissions = chain.emissions + first + t * size;
            double* forward = out.forward + first + t * size;
            double* weights = out.arrivals + first + t * size;
            double peak = -INFINITY;
            for (int j = 0; j < size; ++j) {
                // In single precision, as packed emissions are.
                float score = emissions[j];
                if (t == 0) score += chain.start[j];
                if (t == length - 1) score += chain.end[j];
                weights[j] = score;
                if (score > peak) peak = score;
            }
            if (!(peak - peak == 0.0)) return false;
            if (t) through(forward - size, out.links, size, forward);
            double scale = 0.0;
            for (int j = 0; j < size; ++j) {
                weights[j] = std::exp(weights[j] - peak);
                forward[j] = t ? forward[j] * weights[j] : weights[j];
                scale += forward[j];
            }
            if (!(scale > 0.0)) return false;
            for (int j = 0; j < size; ++j) {
                forward[j] /= scale;
                weights[j] /= scale;
            }
            out.scales[batch.starts[s] + t] = scale;
            log_partition += std::log(scale) + peak + (t ? link_peak : 0.0);
        }
        out.log_partition[s] = log_partition;
        for (int64_t t = length - 1; t >= 0; --t) {
            double* backward = out.backward + first + t * size;
            double* arrivals = out.arrivals + first + t * size;
            if (t == length - 1)
                for (int j = 0; j < size; ++j) backward[j] = 1.0;
            else
                through(arrivals + size, out.back_links, size, backward);
            double highest = 0.0;
            for (int j = 0; j < size; ++j) {
                arrivals[j] *= backward[j];
                if (!(backward[j] <= highest)) highest = backward[j];
            }
            if (!(highest / out.scales[batch.starts[s] + t] < out.largest_factor)) return false;
        }
    }
    return true;
}
