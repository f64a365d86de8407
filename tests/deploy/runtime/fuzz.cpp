// Random layers, chains of two, attention and normalisation through the library's C interface, compared with plain loops.
// Compiled with sanitizers by test_sanitizers.py; inputs, outputs and weights lie in allocations of their exact
// size, so that any access beyond them is seen.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "kernel.h"

extern "C" {
int32_t deepcuts_kernel_count();
const char* deepcuts_kernel_name(int32_t);
int32_t deepcuts_kernel_supported(int32_t);
int64_t deepcuts_pack(const uint8_t*, const float*, int64_t, int64_t, int32_t, uint8_t**);
void deepcuts_free(uint8_t*);
int32_t deepcuts_linears(int32_t, const deepcuts::Linears*, int64_t);
int32_t deepcuts_attention(int32_t, const deepcuts::Attention*, int64_t);
int32_t deepcuts_add_norm(int32_t, const deepcuts::AddNorm*, int64_t);
}

static int64_t between(std::mt19937& random, int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
}

struct Layer {  // a random weight, and what is given to the library
    int64_t rows, columns;
    std::vector<float> weight, values, bias;
    std::vector<uint8_t> bits;

    // Whole numbers of few bits: exact in bfloat16 too, and so are their sums.
    Layer(std::mt19937& random, int64_t rows_, int64_t columns_, int64_t most) : rows(rows_), columns(columns_) {
        const double densities[] = {0.0, 0.03, 0.2, 0.5, 0.9, 1.0};
        const double density = densities[between(random, 0, 5)];
        std::uniform_real_distribution<double> uniform(0, 1);
        weight.resize(static_cast<size_t>(rows * columns));
        bits.resize((weight.size() + 7) / 8);
        for (size_t i = 0; i < weight.size(); ++i) {
            if (uniform(random) >= density) continue;
            weight[i] = static_cast<float>(between(random, -most, most));
            bits[i / 8] = static_cast<uint8_t>(bits[i / 8] | 128 >> i % 8);
            values.push_back(weight[i]);
        }
        if (between(random, 0, 1) == 1)
            for (int64_t row = 0; row < rows; ++row) bias.push_back(static_cast<float>(between(random, -most, most)));
    }

    std::vector<float> outputs(const std::vector<float>& input, int64_t tokens, int64_t stride) const {
        std::vector<float> found;
        for (int64_t token = 0; token < tokens; ++token) {
            for (int64_t row = 0; row < rows; ++row) {
                float sum = bias.empty() ? 0.0f : bias[static_cast<size_t>(row)];
                for (int64_t column = 0; column < columns; ++column)
                    sum += weight[static_cast<size_t>(row * columns + column)] *
                           input[static_cast<size_t>(token * stride + column)];
                found.push_back(sum);
            }
        }
        return found;
    }
};

static std::vector<float> random_inputs(std::mt19937& random, int64_t count, int64_t most) {
    std::vector<float> made(static_cast<size_t>(count));
    for (float& one : made) one = static_cast<float>(between(random, -most, most));
    return made;
}

static int complain(uint32_t seed, const char* what, int32_t kernel, int32_t half) {
    std::printf("seed %u, %s, %s, half %d: wrong\n", seed, what, deepcuts_kernel_name(kernel), half);
    return 1;
}

static int check_linears(uint32_t seed, int32_t kernel, int32_t half) {
    std::mt19937 random(seed);
    const bool chained = between(random, 0, 2) == 0;
    const int64_t tokens = between(random, 0, 150), gap = between(random, 0, 3), threads = between(random, 1, 4);
    const int64_t columns = between(random, 1, 90), most = chained ? 1 : 60;
    const int64_t count = chained ? 2 : between(random, 1, 3);
    std::vector<Layer> layers;
    for (int64_t nth = 0; nth < count; ++nth)
        layers.emplace_back(random, between(random, 1, 70), chained && nth ? layers[0].rows : columns, most);
    const int64_t in_stride = columns + gap;
    const auto input = random_inputs(random, tokens ? (tokens - 1) * in_stride + columns : 0, most);
    std::vector<std::vector<float>> outputs;
    std::vector<uint8_t*> packed(layers.size());
    std::vector<deepcuts::Linear> given;
    for (size_t nth = 0; nth < layers.size(); ++nth) {
        const Layer& layer = layers[nth];
        if (deepcuts_pack(layer.bits.data(), layer.values.data(), layer.rows, layer.columns, half, &packed[nth]) < 0) return 1;
        const int64_t stride = layer.rows + (chained ? 0 : gap);
        outputs.emplace_back(static_cast<size_t>(tokens ? (tokens - 1) * stride + layer.rows : 0), -7.5f);
        const bool second = chained && nth;
        given.push_back({packed[nth], layer.rows, layer.columns, half, 0, layer.bias.empty() ? nullptr : layer.bias.data(),
                         second ? outputs[0].data() : input.data(), tokens, second ? layer.columns : in_stride,
                         outputs[nth].data(), stride});
    }
    const deepcuts::Linears linears{given.data(), count, chained};
    const int32_t failed = deepcuts_linears(kernel, &linears, threads);
    for (uint8_t* one : packed) deepcuts_free(one);
    if (failed) return 1;
    for (size_t nth = chained ? 1 : 0; nth < layers.size(); ++nth) {
        const Layer& layer = layers[nth];
        const auto expected = chained ? layer.outputs(layers[0].outputs(input, tokens, in_stride), tokens, layer.columns)
                                      : layer.outputs(input, tokens, in_stride);
        const int64_t stride = given[nth].output_stride;
        for (size_t i = 0; i < outputs[nth].size(); ++i) {
            const auto row = static_cast<int64_t>(i) % stride, token = static_cast<int64_t>(i) / stride;
            const float wanted = row < layer.rows ? expected[static_cast<size_t>(token * layer.rows + row)] : -7.5f;
            if (outputs[nth][i] != wanted) return complain(seed, chained ? "chain" : "layers", kernel, half);
        }
    }
    return 0;
}

static int check_attention(uint32_t seed, int32_t kernel, int32_t half) {
    std::mt19937 random(seed);
    const int64_t batch = between(random, 1, 2), heads = between(random, 1, 3), features = 16 * between(random, 1, 5);
    const int64_t queries = between(random, 1, 40), keys = between(random, 1, 90), threads = between(random, 1, 4);
    const int64_t step = heads * features;
    const auto query = random_inputs(random, batch * queries * step, 2), key = random_inputs(random, batch * keys * step, 2);
    const auto value = random_inputs(random, batch * keys * step, 60);
    std::vector<uint8_t> allowed(static_cast<size_t>(between(random, 0, 1) ? batch * queries * keys : 0));
    for (uint8_t& one : allowed) one = static_cast<uint8_t>(between(random, 0, 1));
    std::vector<float> output(query.size());
    const float scale = 0.05f;
    const deepcuts::Attention attention{query.data(), key.data(), value.data(), output.data(),
                                        allowed.empty() ? nullptr : allowed.data(), batch, heads, queries, keys, features,
                                        {queries * step, features, step}, {keys * step, features, step},
                                        {keys * step, features, step}, {queries * step, features, step},
                                        {queries * keys, keys}, scale, half};
    if (deepcuts_attention(kernel, &attention, threads) != 0) return 1;
    for (int64_t one = 0; one < batch * queries * heads; ++one) {
        const int64_t row = one / queries / heads;
        const auto at = static_cast<size_t>(one * features);  // (batch, queries, heads, features)
        std::vector<double> weights, mixed(static_cast<size_t>(features));
        double sum = 0;
        for (int64_t k = 0; k < keys; ++k) {
            const auto other = static_cast<size_t>((row * keys + k) * step + one % heads * features);
            double score = 0;
            for (size_t f = 0; f < mixed.size(); ++f) score += query[at + f] * key[other + f];
            const bool seen = allowed.empty() || allowed[static_cast<size_t>(one / heads * keys + k)];
            weights.push_back(seen ? std::exp(score * scale) : 0.0);
            sum += weights.back();
            for (size_t f = 0; f < mixed.size(); ++f) mixed[f] += weights.back() * value[other + f];
        }
        for (size_t f = 0; f < mixed.size(); ++f)
            if (!(std::fabs(output[at + f] - (sum > 0 ? mixed[f] / sum : 0)) <= (half ? 0.3 : 1e-3)))
                return complain(seed, "attention", kernel, half);
    }
    return 0;
}

static int check_norm(uint32_t seed, int32_t kernel) {
    std::mt19937 random(seed);
    const int64_t rows = between(random, 0, 70), columns = between(random, 1, 90);
    const auto a = random_inputs(random, rows * columns, 60), b = random_inputs(random, rows * columns, 60);
    const auto weight = random_inputs(random, columns, 60), bias = random_inputs(random, columns, 60);
    std::vector<float> output(a.size());
    const deepcuts::AddNorm norm{a.data(), b.data(), weight.data(), bias.data(), output.data(), rows, columns, 0.5f};
    if (deepcuts_add_norm(kernel, &norm, between(random, 1, 4)) != 0) return 1;
    for (int64_t row = 0; row < rows; ++row) {
        const auto at = static_cast<size_t>(row * columns);
        double mean = 0, squares = 0;
        for (size_t i = 0; i < weight.size(); ++i) mean += (a[at + i] + b[at + i]) / static_cast<double>(columns);
        for (size_t i = 0; i < weight.size(); ++i) squares += std::pow(a[at + i] + b[at + i] - mean, 2);
        const double factor = 1 / std::sqrt(squares / static_cast<double>(columns) + 0.5);
        for (size_t i = 0; i < weight.size(); ++i)
            if (!(std::fabs(output[at + i] - ((a[at + i] + b[at + i] - mean) * factor * weight[i] + bias[i])) <= 1e-2))
                return complain(seed, "norm", kernel, 0);
    }
    return 0;
}

static int check(uint32_t seed) {
    for (int32_t kernel = 0; kernel < deepcuts_kernel_count(); ++kernel) {
        if (!deepcuts_kernel_supported(kernel)) continue;
        for (int32_t half = 0; half < 2; ++half)
            if (check_linears(seed, kernel, half) || check_attention(seed, kernel, half)) return 1;
        if (check_norm(seed, kernel)) return 1;
    }
    return 0;
}

int main(int count, char** arguments) {
    const uint32_t cases = count > 1 ? static_cast<uint32_t>(std::atoi(arguments[1])) : 100;
    int failed[3] = {};
    std::vector<std::thread> callers;  // at once, so that they compete for the workers
    for (uint32_t caller = 0; caller < 3; ++caller)
        callers.emplace_back([&failed, caller, cases] {
            for (uint32_t seed = caller; seed < cases; seed += 3) failed[caller] |= check(seed);
        });
    for (std::thread& caller : callers) caller.join();
    if (failed[0] || failed[1] || failed[2]) return 1;
    std::printf("%u cases\n", cases);
    return 0;
}
