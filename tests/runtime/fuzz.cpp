// Random layers through the library's C interface, compared with a plain loop. Compiled with sanitizers by
// test_sanitizers.py; inputs, outputs and weights lie in allocations of their exact size, so that any access
// beyond them is seen.
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
int32_t deepcuts_linear(int32_t, const deepcuts::Linear*, int64_t);
}

static int64_t between(std::mt19937& random, int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
}

static int check(uint32_t seed) {
    std::mt19937 random(seed);
    const int64_t rows = between(random, 1, 70), columns = between(random, 1, 90);
    const int64_t tokens = between(random, 0, 150), gap = between(random, 0, 3);
    const double densities[] = {0.0, 0.03, 0.2, 0.5, 0.9, 1.0};
    const double density = densities[between(random, 0, 5)];
    const bool with_bias = between(random, 0, 1) == 1;
    const int64_t threads = between(random, 1, 4);
    std::uniform_real_distribution<double> uniform(0, 1);
    // Whole numbers of few bits: exact in bfloat16 too, and so are their sums.
    std::vector<float> weight(static_cast<size_t>(rows * columns)), values, bias(static_cast<size_t>(rows));
    std::vector<uint8_t> bits((weight.size() + 7) / 8);
    for (size_t i = 0; i < weight.size(); ++i) {
        if (uniform(random) >= density) continue;
        weight[i] = static_cast<float>(between(random, -60, 60));
        bits[i / 8] = static_cast<uint8_t>(bits[i / 8] | 128 >> i % 8);
        values.push_back(weight[i]);
    }
    for (float& one : bias) one = static_cast<float>(between(random, -60, 60));
    const int64_t in_stride = columns + gap, out_stride = rows + gap;
    std::vector<float> input(static_cast<size_t>(tokens ? (tokens - 1) * in_stride + columns : 0));
    for (float& one : input) one = static_cast<float>(between(random, -60, 60));
    for (int32_t kernel = 0; kernel < deepcuts_kernel_count(); ++kernel) {
        if (!deepcuts_kernel_supported(kernel)) continue;
        for (int32_t half = 0; half < 2; ++half) {
            uint8_t* made = nullptr;
            const int64_t size = deepcuts_pack(bits.data(), values.data(), rows, columns, half, &made);
            if (size < 0) return 1;
            std::vector<float> output(static_cast<size_t>(tokens ? (tokens - 1) * out_stride + rows : 0), -7.0f);
            const deepcuts::Linear linear{made,   rows,      columns,       half,      0,         with_bias ? bias.data() : nullptr,
                                          input.data(), tokens, in_stride, output.data(), out_stride};
            if (deepcuts_linear(kernel, &linear, threads) != 0) return 1;
            deepcuts_free(made);
            for (int64_t token = 0; token < tokens; ++token) {
                for (int64_t row = 0; row < rows; ++row) {
                    float sum = with_bias ? bias[static_cast<size_t>(row)] : 0.0f;
                    for (int64_t column = 0; column < columns; ++column)
                        sum += weight[static_cast<size_t>(row * columns + column)] *
                               input[static_cast<size_t>(token * in_stride + column)];
                    const float found = output[static_cast<size_t>(token * out_stride + row)];
                    if (found == sum) continue;
                    std::printf("seed %u, %s, half %d, token %ld, row %ld: %g, not %g\n", seed,
                                deepcuts_kernel_name(kernel), half, static_cast<long>(token),
                                static_cast<long>(row), found, sum);
                    return 1;
                }
                if (token + 1 < tokens)
                    for (int64_t i = rows; i < out_stride; ++i)
                        if (output[static_cast<size_t>(token * out_stride + i)] != -7.0f) return 1;
            }
        }
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
    std::printf("%u layers\n", cases);
    return 0;
}
