// Loops over word forms: which row of a table each token's form has, and a convolution over the
// characters of forms. They are compiled for any machine of the architecture.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

namespace spacy_distill {

// A hash table from word forms, which are hashes themselves, to the rows 0, 1, ... of a table.
class FormIndex {
public:
    explicit FormIndex(size_t capacity) : capacity(capacity) {
        // At most half of the slots are taken, so few are looked at for a form.
        while (size_t(1) << (64 - shift) < 2 * capacity) --shift;
        slots.assign(size_t(1) << (64 - shift), EMPTY);
        forms.reserve(capacity);
        scores.reserve(capacity);
    }
    size_t size() const { return forms.size(); }

    // RETURNS the row of a form, -1 if it has none.
    int64_t find(uint64_t form) const { return slots[slot_of(form)]; }

    // Gives the next row to a form that has none yet. There has to be room for it.
    void add(uint64_t form, double score) {
        slots[slot_of(form)] = int32_t(forms.size());
        forms.push_back(form);
        scores.push_back(score);
    }

    // Writes the rows of tokens, and adds a weight to the scores of these rows.
    // RETURNS the number of tokens whose forms have no row.
    size_t find_all(const uint64_t* tokens, size_t n, double weight, int64_t* rows) {
        size_t n_missing = 0;
        for (size_t i = 0; i < n; ++i) {
            rows[i] = find(tokens[i]);
            if (rows[i] >= 0) scores[rows[i]] += weight;
            else ++n_missing;
        }
        return n_missing;
    }

    const size_t capacity;
    std::vector<uint64_t> forms;  // by row
    std::vector<double> scores;   // by row: sums of weights

private:
    static constexpr int32_t EMPTY = -1;
    int shift = 63;
    std::vector<int32_t> slots;  // rows

    // The slot of a form, or the empty one where it would be.
    size_t slot_of(uint64_t form) const {
        // The highest bits of a product with the golden ratio depend on all bits of the form.
        size_t slot = form * 0x9e3779b97f4a7c15u >> shift;
        while (slots[slot] != EMPTY && forms[slots[slot]] != form) slot = (slot + 1) % slots.size();
        return slot;
    }
};

// Writes the nearest numbers in half precision, the even one of two.
inline void to_halves(const float* numbers, size_t n, uint16_t* halves) {
    // Beyond `largest`, infinity; below `smallest`, no exponent. A float's exponent is greater by 112.
    constexpr uint32_t largest = 143u << 23, smallest = 113u << 23, bias = 112u << 23;
    for (size_t i = 0; i < n; ++i) {
        uint32_t bits;
        std::memcpy(&bits, numbers + i, sizeof bits);
        const uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
        // Half of the lowest bit that stays, less one if this bit is zero: a tie goes to the even one.
        const uint32_t rounded = (size - bias + 0xfff + (size >> 13 & 1)) >> 13;
        const uint32_t beyond = size > 0x7f800000 ? 0x7e00 : 0x7c00;
        // What is added to a half is rounded to the steps of the smallest numbers.
        float small;
        std::memcpy(&small, &size, sizeof small);
        small += .5f;
        uint32_t steps;
        std::memcpy(&steps, &small, sizeof steps);
        steps -= 126u << 23;
        // Masks, since GCC makes no vectors of choices that leave out additions of floats.
        const uint32_t is_small = -uint32_t(size < smallest), is_large = -uint32_t(size >= largest);
        const uint32_t half = (steps & is_small) | (beyond & is_large) |
                              (rounded & ~(is_small | is_large));
        halves[i] = uint16_t(sign | half);
    }
}

// The convolution of `models/character_cnn.py` with max pooling, for inference.
class CharacterFilters {
public:
    static constexpr int WINDOW = 3, BOUNDARY = 0;
    const int n_filters, n_rows;

    // E (n_rows, width) embeddings; filters (WINDOW, width, n_filters); bias (n_filters,).
    CharacterFilters(const float* E, const float* filters, const float* bias, int n_rows, int width,
                     int n_filters)
        : n_filters(n_filters), n_rows(n_rows), E(E), filters(filters), bias(bias), width(width),
          is_known(n_rows, false), summands(new float[size_t(n_rows) * WINDOW * n_filters]),
          response(n_filters) {}

    // Takes rows of E (n + 2,), BOUNDARY in the first and the last place; n > 0.
    // Writes the highest responses (n_filters,).
    void apply(const int32_t* rows, int n, float* highest) {
        for (int i = 0; i < n + 2; ++i) learn(rows[i]);
        for (int i = 0; i < n; ++i) {
            const float* left = summand(rows[i], 0);
            const float* middle = summand(rows[i + 1], 1);
            const float* right = summand(rows[i + 2], 2);
            float* to = i ? response.data() : highest;
            for (int f = 0; f < n_filters; ++f) to[f] = left[f] + middle[f] + right[f];
            for (int f = 0; i && f < n_filters; ++f) highest[f] = std::max(highest[f], to[f]);
        }
        for (int f = 0; f < n_filters; ++f) highest[f] += bias[f];
    }

private:
    const float *const E, *const filters, *const bias;
    const int width;
    // A filter's response is a sum over the places of a window. Each summand depends on one character
    // alone, and is computed when the character is first met.
    std::vector<bool> is_known;                 // (n_rows,)
    const std::unique_ptr<float[]> summands;    // (n_rows, WINDOW, n_filters), of known rows
    std::vector<float> response;                // (n_filters,)

    float* summand(int row, int place) {
        return summands.get() + (size_t(row) * WINDOW + place) * n_filters;
    }
    void learn(int row) {
        if (is_known[row]) return;
        is_known[row] = true;
        for (int place = 0; place < WINDOW; ++place) {
            float* to = summand(row, place);
            std::fill(to, to + n_filters, 0.f);
            for (int k = 0; k < width; ++k) {
                const float character = E[size_t(row) * width + k];
                const float* from = filters + (size_t(place) * width + k) * n_filters;
                for (int f = 0; f < n_filters; ++f) to[f] += character * from[f];
            }
        }
    }
};

}  // namespace spacy_distill
