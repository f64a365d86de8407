// Layer normalisation of the sum of two inputs.
#pragma once

#include <cmath>

#include "kernel.h"
#include "vectors.h"

namespace deepcuts {
namespace {

// Applies `each(column, how many columns)` to the columns of a row, a vector of them at a time.
template <class Each>
DEEPCUTS_INLINE void over(int64_t columns, const Each& each) {
    int64_t column = 0;
    for (; column + kLanes <= columns; column += kLanes) each(column, kLanes);
    if (column < columns) each(column, static_cast<int>(columns - column));
}

inline float total(Floats values) {
    float sum = 0;
    for (int lane = 0; lane < kLanes; ++lane) sum += values[lane];
    return sum;
}

// Several rows at once, so that no sum waits for its own last addition.
template <int Rows>
void normalise(const AddNorm& norm, int64_t first) {
    const int64_t columns = norm.columns;
    const float *const a = norm.a + first * columns, *const b = norm.b + first * columns;
    float* const output = norm.output + first * columns;
    Floats sums[Rows], mean[Rows], factor[Rows];
    for (int row = 0; row < Rows; ++row) sums[row] = Floats{};
    over(columns, [&](int64_t column, int count) {
        for (int row = 0; row < Rows; ++row) {
            const int64_t at = row * columns + column;
            const Floats sum = load(a + at, 0, count) + load(b + at, 0, count);
            std::memcpy(output + at, &sum, static_cast<size_t>(count) * 4);
            sums[row] += sum;
        }
    });
    for (int row = 0; row < Rows; ++row) {
        mean[row] = all(total(sums[row]) / static_cast<float>(columns));
        sums[row] = Floats{};
    }
    over(columns, [&](int64_t column, int count) {
        for (int row = 0; row < Rows; ++row) {
            Floats distance = load(output + row * columns + column, 0, count) - mean[row];
            for (int lane = count; lane < kLanes; ++lane) distance[lane] = 0;
            sums[row] += distance * distance;
        }
    });
    for (int row = 0; row < Rows; ++row)
        factor[row] = all(1 / std::sqrt(total(sums[row]) / static_cast<float>(columns) + norm.epsilon));
    over(columns, [&](int64_t column, int count) {
        const Floats weight = load(norm.weight, column, count), bias = load(norm.bias, column, count);
        for (int row = 0; row < Rows; ++row) {
            const int64_t at = row * columns + column;
            const Floats scaled = (load(output + at, 0, count) - mean[row]) * factor[row] * weight + bias;
            std::memcpy(output + at, &scaled, static_cast<size_t>(count) * 4);
        }
    });
}

void add_norm(const AddNorm& norm, int64_t first, int64_t last) {
    constexpr int kRows = 4;
    for (; first + kRows <= last; first += kRows) normalise<kRows>(norm, first);
    for (; first < last; ++first) normalise<1>(norm, first);
}

}  // namespace
}  // namespace deepcuts
