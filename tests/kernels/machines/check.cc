// Runs the kernels of every instruction set that this machine has on the cases of `write_cases.py`:
//     check FILE [INSTRUCTION SET ...]
// Prints one line for each. Fails if a result is not numpy's, or if the machine lacks a set that was
// asked for.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "forms.hh"
#include "kernels.hh"

using namespace spacy_distill;

namespace {

enum Kind { STACK, LSTM, CHAIN, FORMS, ELEMENTWISE_STACK, ELEMENTWISE, KINDS };

const int N_THREADS[] = {1, 3};

[[noreturn]] void fail(const char* message) {
    std::fprintf(stderr, "%s\n", message);
    std::exit(2);
}

class Reader {
public:
    explicit Reader(const char* path) : file(std::fopen(path, "rb")) {
        if (!file) fail("The file of cases cannot be opened.");
    }
    ~Reader() { std::fclose(file); }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    // Exactly as large as the array, so that sanitizers see what is read beyond it.
    template <class T>
    std::vector<T> array() {
        int64_t size[2];
        read(size, sizeof *size, 2);
        if (size[0] != sizeof(T)) fail("The file of cases is of another version.");
        std::vector<T> numbers(size[1]);
        read(numbers.data(), sizeof(T), numbers.size());
        return numbers;
    }
    bool is_at_end() {
        const int next = std::fgetc(file);
        if (next != EOF) std::ungetc(next, file);
        return next == EOF;
    }

private:
    std::FILE* file;

    void read(void* to, size_t size, size_t n) {
        if (n && std::fread(to, size, n, file) != n) fail("The file of cases ends too early.");
    }
};

typedef std::vector<float> Floats;
typedef std::vector<double> Doubles;
typedef std::vector<int64_t> Integers;

class Sequences {
public:
    explicit Sequences(Reader& file)
        : lengths(file.array<int64_t>()), starts(lengths.size()), order(lengths.size()) {
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(),
                         [&](int64_t a, int64_t b) { return lengths[a] > lengths[b]; });
        for (size_t s = 1; s < lengths.size(); ++s) starts[s] = starts[s - 1] + lengths[s - 1];
    }
    Batch batch() const {
        return {lengths.data(), starts.data(), order.data(), int64_t(lengths.size())};
    }

private:
    Integers lengths, starts, order;
};

// Counts of one instruction set.
struct Findings {
    int n_cases[KINDS] = {};
    int n_wrong = 0;

    void demand(bool holds, const Kernels& kernels, const char* what, size_t first) {
        if (holds) return;
        if (++n_wrong < 10)
            std::printf("%s: %s of case %d differs from numpy's, first at %zu\n", kernels.name, what,
                        std::accumulate(n_cases, n_cases + KINDS, 0), first);
    }
};

// NaN is NaN: the bits of it are the processor's choice.
template <class T>
bool is_same(T found, T expected) {
    return (found != found && expected != expected) ||
           std::memcmp(&found, &expected, sizeof found) == 0;
}

template <class T>
bool is_close(T found, T expected, double relative, double absolute) {
    return is_same(found, expected) ||
           std::fabs(double(found) - expected) <= absolute + relative * std::fabs(expected);
}

template <class T, class Compare>
size_t first_difference(const std::vector<T>& found, const std::vector<T>& expected, Compare compare) {
    if (found.size() != expected.size()) fail("The file of cases has a wrong number of results.");
    size_t place = 0;
    while (place < found.size() && compare(found[place], expected[place])) ++place;
    return place;
}

template <class T>
void demand_same(const std::vector<T>& found, const std::vector<T>& expected, const Kernels& kernels,
                 const char* what, Findings& findings) {
    const size_t first = first_difference(found, expected, is_same<T>);
    findings.demand(first == found.size(), kernels, what, first);
}

template <class T>
void demand_close(const std::vector<T>& found, const std::vector<T>& expected, double relative,
                  double absolute, const Kernels& kernels, const char* what, Findings& findings) {
    const size_t first = first_difference(found, expected, [&](T mine, T theirs) {
        return is_close(mine, theirs, relative, absolute);
    });
    findings.demand(first == found.size(), kernels, what, first);
}

class Case {
public:
    virtual ~Case() = default;
    virtual void check(const Kernels& kernels, Findings& findings) const = 0;
};

class StackCase : public Case {
public:
    StackCase(const Integers& numbers, Reader& file)
        : hidden(numbers[1]), sequences(file), table(file.array<float>()),
          halves(file.array<uint16_t>()), rows(file.array<int64_t>()), weights(3 * numbers[2] - 2) {
        for (Floats& array : weights) array = file.array<float>();
        in_floats = file.array<float>();
        in_integers = file.array<float>();
        layers.push_back({weights[0].data(), nullptr, nullptr});
        for (size_t i = 1; i < weights.size(); i += 3)
            layers.push_back({weights[i].data(), weights[i + 1].data(), weights[i + 2].data()});
    }

    void check(const Kernels& kernels, Findings& findings) const override {
        ++findings.n_cases[STACK];
        for (int n_threads : N_THREADS) {
            demand_close(run(kernels.float_stack, table.data(), n_threads), in_floats, 1e-4, 2e-5, kernels,
                         "the float stack", findings);
            demand_same(run(kernels.integer_stack, halves.data(), n_threads), in_integers, kernels,
                        "the integer stack", findings);
        }
    }

private:
    int hidden;
    Sequences sequences;
    Floats table;
    std::vector<uint16_t> halves;
    Integers rows;
    std::vector<Floats> weights;
    Floats in_floats, in_integers;
    std::vector<LayerWeights> layers;

    Floats run(const StackKernels& kernels, const void* inputs, int n_threads) const {
        Floats states(rows.size() * 2 * hidden, -2.f);
        void* stack = kernels.make(layers.data(), int(layers.size()), hidden);
        kernels.read(stack, {sequences.batch(), inputs, rows.data(), n_threads},
                     states.data());
        kernels.remove(stack);
        return states;
    }
};

class LstmCase : public Case {
public:
    LstmCase(const Integers& numbers, Reader& file)
        : hidden(numbers[1]), n_inputs(numbers[2]), sequences(file), X(file.array<float>()),
          U(file.array<float>()), W(file.array<float>()), b(file.array<float>()),
          d_states(file.array<float>()), states(file.array<float>()), dX(file.array<float>()),
          dU(file.array<float>()), dW(file.array<float>()), db(file.array<float>()) {}

    void check(const Kernels& kernels, Findings& findings) const override {
        ++findings.n_cases[LSTM];
        for (int n_threads : N_THREADS) {
            const int64_t n_tokens = states.size() / (2 * hidden);
            const LstmLayer in = {sequences.batch(), n_tokens, n_inputs, hidden,   X.data(),
                                  W.data(),          U.data(), b.data(), n_threads};
            Floats found(states.size()), gates(4 * states.size()), cells(states.size());
            const LstmStates out = {found.data(), gates.data(), cells.data()};
            kernels.lstm_forward(in, out);
            demand_close(found, states, 1e-4, 2e-5, kernels, "the states", findings);
            Floats gradients[] = {Floats(dX.size()), Floats(dW.size()), Floats(dU.size()),
                                  Floats(db.size())};
            kernels.lstm_backward(in, out, d_states.data(),
                                  {gradients[0].data(), gradients[1].data(), gradients[2].data(),
                                   gradients[3].data()});
            const Floats* expected[] = {&dX, &dW, &dU, &db};
            for (int i = 0; i < 4; ++i)
                demand_close(gradients[i], *expected[i], 1e-4, 1e-4, kernels, "a gradient", findings);
        }
    }

private:
    int hidden, n_inputs;
    Sequences sequences;
    Floats X, U, W, b, d_states, states, dX, dU, dW, db;
};

class ElementwiseStackCase : public Case {
public:
    ElementwiseStackCase(const Integers& numbers, Reader& file)
        : hidden(numbers[1]), sequences(file), table(file.array<float>()),
          halves(file.array<uint16_t>()), rows(file.array<int64_t>()),
          highway_scale(file.array<float>()), weights(3 * numbers[2]) {
        for (Floats& array : weights) array = file.array<float>();
        in_floats = file.array<float>();
        in_integers = file.array<float>();
        for (size_t i = 0; i < weights.size(); i += 3)
            layers.push_back({i ? weights[i].data() : nullptr, i ? weights[i + 1].data() : nullptr,
                              numbers[3] ? weights[i + 2].data() : nullptr});
    }

    void check(const Kernels& kernels, Findings& findings) const override {
        ++findings.n_cases[ELEMENTWISE_STACK];
        for (int n_threads : N_THREADS) {
            demand_close(run(kernels.float_elementwise_stack, table.data(), n_threads), in_floats, 1e-4,
                         2e-5, kernels, "the element-wise float stack", findings);
            demand_same(run(kernels.integer_elementwise_stack, halves.data(), n_threads), in_integers,
                        kernels, "the element-wise integer stack", findings);
        }
    }

private:
    int hidden;
    Sequences sequences;
    Floats table;
    std::vector<uint16_t> halves;
    Integers rows;
    Floats highway_scale;
    std::vector<Floats> weights;
    Floats in_floats, in_integers;
    std::vector<ElementwiseWeights> layers;

    Floats run(const ElementwiseStackKernels& kernels, const void* inputs, int n_threads) const {
        Floats states(rows.size() * 2 * hidden, -2.f);
        void* stack = kernels.make(layers.data(), int(layers.size()), hidden, highway_scale[0]);
        kernels.read(stack, {sequences.batch(), inputs, rows.data(), n_threads},
                     states.data());
        kernels.remove(stack);
        return states;
    }
};

class ElementwiseCase : public Case {
public:
    ElementwiseCase(const Integers& numbers, Reader& file)
        : hidden(numbers[1]), n_inputs(numbers[2]), n_maps(numbers[3]), is_sru(numbers[4]),
          sequences(file), X(file.array<float>()), highway_scale(file.array<float>()),
          W(file.array<float>()), b(file.array<float>()), peepholes(file.array<float>()),
          d_states(file.array<float>()), states(file.array<float>()), dX(file.array<float>()),
          dW(file.array<float>()), db(file.array<float>()), d_peepholes(file.array<float>()) {}

    void check(const Kernels& kernels, Findings& findings) const override {
        ++findings.n_cases[ELEMENTWISE];
        for (int n_threads : N_THREADS) {
            const int64_t n_tokens = states.size() / (2 * hidden);
            const ElementwiseLayer in = {
                sequences.batch(), n_tokens, n_inputs, hidden,   n_maps,
                X.data(),          W.data(), b.data(), is_sru ? peepholes.data() : nullptr,
                highway_scale[0],  n_threads};
            Floats found(states.size()), maps(n_maps * states.size()), cells(states.size());
            const ElementwiseStates out = {found.data(), maps.data(), cells.data()};
            kernels.elementwise_forward(in, out);
            demand_close(found, states, 1e-4, 2e-5, kernels, "the element-wise states", findings);
            Floats gradients[] = {Floats(dX.size()), Floats(dW.size()), Floats(db.size()),
                                  Floats(d_peepholes.size())};
            kernels.elementwise_backward(in, out, d_states.data(),
                                         {gradients[0].data(), gradients[1].data(),
                                          gradients[2].data(), gradients[3].data()});
            const Floats* expected[] = {&dX, &dW, &db, &d_peepholes};
            for (int i = 0; i < 4; ++i)
                demand_close(gradients[i], *expected[i], 1e-4, 1e-4, kernels,
                             "an element-wise gradient", findings);
        }
    }

private:
    int hidden, n_inputs, n_maps;
    bool is_sru;
    Sequences sequences;
    Floats X, highway_scale, W, b, peepholes, d_states, states, dX, dW, db, d_peepholes;
};

class ChainCase : public Case {
public:
    ChainCase(const Integers& numbers, Reader& file)
        : n_tags(numbers[1]), sequences(file), emissions(file.array<float>()),
          transitions(file.array<float>()), start(file.array<float>()), end(file.array<float>()),
          tags(file.array<int64_t>()), largest_factor(file.array<double>()),
          log_partition(file.array<double>()),
          forward(file.array<double>()), backward(file.array<double>()),
          arrivals(file.array<double>()), links(file.array<double>()) {}

    void check(const Kernels& kernels, Findings& findings) const override {
        ++findings.n_cases[CHAIN];
        const ChainScores chain = {sequences.batch(), emissions.data(), transitions.data(),
                                   start.data(),      end.data(),       n_tags};
        Integers found_tags(tags.size());
        kernels.viterbi(chain, found_tags.data());
        demand_same(found_tags, tags, kernels, "the best tags", findings);
        Doubles found[] = {Doubles(forward.size()), Doubles(backward.size()),
                           Doubles(arrivals.size()), Doubles(links.size())};
        Doubles scales(tags.size()), back_links(links.size());
        Doubles found_partition(log_partition.size());
        const bool is_trusted = kernels.forward_backward(
            chain, {found_partition.data(), found[0].data(), found[1].data(), found[2].data(), scales.data(),
                    found[3].data(), back_links.data(), largest_factor[0]});
        findings.demand(is_trusted, kernels, "the trust in forward-backward", 0);
        demand_close(found_partition, log_partition, 1e-9, 1e-9, kernels, "a partition function",
                     findings);
        const Doubles* expected[] = {&forward, &backward, &arrivals, &links};
        for (int i = 0; i < 4; ++i)
            demand_close(found[i], *expected[i], 1e-9, 1e-300, kernels, "a weight of the chain",
                         findings);
    }

private:
    int n_tags;
    Sequences sequences;
    Floats emissions, transitions, start, end;
    Integers tags;
    Doubles largest_factor, log_partition, forward, backward, arrivals, links;
};

// The loops over word forms are the same for all instruction sets.
class FormsCase : public Case {
public:
    FormsCase(const Integers& numbers, Reader& file)
        : width(numbers[1]), known(file.array<uint64_t>()), forms(file.array<uint64_t>()),
          E(file.array<float>()), filters(file.array<float>()), bias(file.array<float>()),
          lengths(file.array<int64_t>()), characters(file.array<int32_t>()),
          numbers(file.array<float>()), rows(file.array<int64_t>()), scores(file.array<double>()),
          responses(file.array<float>()), halves(file.array<uint16_t>()) {}

    void check(const Kernels& kernels, Findings& findings) const override {
        ++findings.n_cases[FORMS];
        FormIndex index(known.size());
        for (const uint64_t form : known) index.add(form, 0.);
        Integers found_rows(forms.size());
        const int64_t n_missing = index.find_all(forms.data(), forms.size(), 1., found_rows.data());
        demand_same(found_rows, rows, kernels, "a form's row", findings);
        demand_same(index.scores, scores, kernels, "a form's score", findings);
        findings.demand(n_missing == std::count(rows.begin(), rows.end(), -1), kernels,
                        "the number of missing forms", 0);
        Floats found(responses.size());
        CharacterFilters cnn(E.data(), filters.data(), bias.data(), int(E.size()) / width, width,
                             int(bias.size()));
        const int32_t* next = characters.data();
        for (size_t word = 0; word < lengths.size(); next += lengths[word++]) {
            std::vector<int32_t> padded(lengths[word] + 2, CharacterFilters::BOUNDARY);
            std::copy(next, next + lengths[word], padded.begin() + 1);
            cnn.apply(padded.data(), int(lengths[word]), found.data() + word * bias.size());
        }
        demand_close(found, responses, 1e-5, 1e-6, kernels, "a response to characters", findings);
        std::vector<uint16_t> found_halves(numbers.size());
        to_halves(numbers.data(), numbers.size(), found_halves.data());
        for (size_t i = 0; i < numbers.size(); ++i)
            if (numbers[i] != numbers[i]) found_halves[i] = halves[i];  // the bits of NaN do not count
        demand_same(found_halves, halves, kernels, "a number in half precision", findings);
    }

private:
    int width;
    std::vector<uint64_t> known, forms;
    Floats E, filters, bias;
    Integers lengths;
    std::vector<int32_t> characters;
    Floats numbers;
    Integers rows;
    Doubles scores;
    Floats responses;
    std::vector<uint16_t> halves;
};

Case* read_case(Reader& file) {
    const Integers numbers = file.array<int64_t>();
    switch (numbers.at(0)) {
        case STACK: return new StackCase(numbers, file);
        case LSTM: return new LstmCase(numbers, file);
        case CHAIN: return new ChainCase(numbers, file);
        case FORMS: return new FormsCase(numbers, file);
        case ELEMENTWISE_STACK: return new ElementwiseStackCase(numbers, file);
        case ELEMENTWISE: return new ElementwiseCase(numbers, file);
        default: fail("The file of cases is of another version.");
    }
}

}  // namespace

int main(int n_arguments, char** arguments) {
    if (n_arguments < 2) fail("check FILE [INSTRUCTION SET ...]");
    std::vector<Findings> findings(N_KERNELS);
    const std::vector<std::string> wanted(arguments + 2, arguments + n_arguments);
    Reader file(arguments[1]);
    while (!file.is_at_end()) {
        const Case* next = read_case(file);
        for (int i = 0; i < N_KERNELS; ++i)
            if (ALL_KERNELS[i]->is_supported()) next->check(*ALL_KERNELS[i], findings[i]);
        delete next;
    }
    bool is_right = true;
    size_t n_found = 0;
    for (int i = 0; i < N_KERNELS; ++i) {
        const Kernels& kernels = *ALL_KERNELS[i];
        const Findings& found = findings[i];
        if (!kernels.is_supported()) {
            std::printf("%s: not on this machine\n", kernels.name);
            continue;
        }
        n_found += std::count(wanted.begin(), wanted.end(), kernels.name);
        std::printf("%s: %d stacks, %d LSTMs, %d element-wise stacks, %d layers, %d chains, %d of "
                    "forms, %s\n", kernels.name, found.n_cases[STACK], found.n_cases[LSTM],
                    found.n_cases[ELEMENTWISE_STACK], found.n_cases[ELEMENTWISE],
                    found.n_cases[CHAIN], found.n_cases[FORMS],
                    found.n_wrong ? "WRONG" : "all as numpy");
        is_right = is_right && !found.n_wrong;
    }
    if (n_found < wanted.size()) std::printf("An instruction set that was asked for is missing.\n");
    return is_right && n_found == wanted.size() ? 0 : 1;
}
