// A sparse linear layer.
//
// A tile is some tokens of the input, transposed: for each column of the weight, the values of all the tile's
// tokens side by side. A weight is then a number that multiplies whole vectors, and the sums of four
// rows stay in registers while the weights of their columns go by. Bias and activation are applied, and the
// sums transposed back, before they leave the registers.
#pragma once

#include "kernel.h"
#include "vectors.h"

namespace deepcuts {
namespace {

// How many vectors of sums a row has, at most: four rows of them and the inputs must fit the registers. Single
// precision gains nothing from four, for its tile is then too large for the nearer caches.
constexpr int most_vectors(bool half) { return half && kBytes == 64 ? 4 : 2; }

// ---------------------------------------------------------------------------------------- the inner loops

template <int Vectors>
struct Single {
    static constexpr int kStride = Vectors * kBytes;  // bytes of one column of the tile

    template <int Pattern>
    static DEEPCUTS_INLINE void step(Floats (&sums)[kGroupRows][Vectors], const char* tile, const uint16_t* column,
                            const char* value) {
        const auto* input = reinterpret_cast<const Floats*>(tile + static_cast<size_t>(*column) * kStride);
        Floats inputs[Vectors];
        for (int v = 0; v < Vectors; ++v) inputs[v] = input[v];
        int nth = 0;
        for (int row = 0; row < kGroupRows; ++row) {
            if (!(Pattern >> row & 1)) continue;
            float weight;
            std::memcpy(&weight, value + 4 * nth++, 4);
            for (int v = 0; v < Vectors; ++v) sums[row][v] += all(weight) * inputs[v];
        }
    }

    // A row of outputs as a column of a tile.
    static DEEPCUTS_INLINE void lay(const Floats (&sums)[Vectors], char* column) {
        std::memcpy(column, sums, sizeof sums);
    }
};

template <int Vectors>
struct Half {
    static_assert(Vectors % 2 == 0, "a vector of inputs has two vectors of sums");
    static constexpr int kStride = Vectors / 2 * kBytes;

    template <int Pattern>
    static DEEPCUTS_INLINE void step(Floats (&sums)[kGroupRows][Vectors], const char* tile, const uint16_t* column,
                            const char* value) {
        const auto* first = reinterpret_cast<const Words*>(tile + static_cast<size_t>(column[0]) * kStride);
        const auto* second = reinterpret_cast<const Words*>(tile + static_cast<size_t>(column[1]) * kStride);
#ifdef __AVX512BF16__
        __m512bh pairs[Vectors];  // of each token, its values in both columns
        for (int v = 0; v < Vectors / 2; ++v) {
            __m512i a = reinterpret_cast<__m512i>(first[v]), b = reinterpret_cast<__m512i>(second[v]);
            asm("" : "+v"(a), "+v"(b));  // or the compiler loads each twice, as an operand, and loads are what is scarce
            pairs[2 * v] = reinterpret_cast<__m512bh>(_mm512_unpacklo_epi16(a, b));
            pairs[2 * v + 1] = reinterpret_cast<__m512bh>(_mm512_unpackhi_epi16(a, b));
        }
        int nth = 0;
        for (int row = 0; row < kGroupRows; ++row) {
            if (!(Pattern >> row & 1)) continue;
            int32_t weights;
            std::memcpy(&weights, value + 4 * nth++, 4);
            const auto both = reinterpret_cast<__m512bh>(_mm512_set1_epi32(weights));
            for (int v = 0; v < Vectors; ++v)
                sums[row][v] = reinterpret_cast<Floats>(
                    _mm512_dpbf16_ps(reinterpret_cast<__m512>(sums[row][v]), pairs[v], both));
        }
#else
        for (int which = 0; which < 2; ++which) {
            Floats inputs[Vectors];
            for (int v = 0; v < Vectors / 2; ++v) {
                const Words words = which ? second[v] : first[v];
                inputs[2 * v] = floats(words << 16);
                inputs[2 * v + 1] = floats(words & 0xffff0000u);
            }
            int nth = 0;
            for (int row = 0; row < kGroupRows; ++row) {
                if (!(Pattern >> row & 1)) continue;
                uint32_t weights;
                std::memcpy(&weights, value + 4 * nth++, 4);
                weights = which ? weights & 0xffff0000u : weights << 16;
                float weight;
                std::memcpy(&weight, &weights, 4);
                for (int v = 0; v < Vectors; ++v) sums[row][v] += all(weight) * inputs[v];
            }
        }
#endif
    }

    static DEEPCUTS_INLINE void lay(const Floats (&sums)[Vectors], char* column) {
        for (int part = 0; part < Vectors / 2; ++part) {
            const Floats low = sums[2 * part], high = sums[2 * part + 1];
#ifdef __AVX512BF16__
            const __m512i order = _mm512_set_epi64(7, 3, 6, 2, 5, 1, 4, 0);  // see lower_token
            const __m512bh both = _mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(high), reinterpret_cast<__m512>(low));
            const __m512i words = _mm512_permutexvar_epi64(order, reinterpret_cast<__m512i>(both));
#else
            const Floats words = interleaved(low, high);
#endif
            std::memcpy(column + part * kBytes, &words, kBytes);
        }
    }
};

constexpr int rows_of(int pattern) { return pattern ? (pattern & 1) + rows_of(pattern >> 1) : 0; }

// All patterns from `Pattern` on, one loop each.
template <class Step, int Columns, int Vectors, int Pattern = 1>
DEEPCUTS_INLINE void run(Floats (&sums)[kGroupRows][Vectors], const char* tile,
                                               const uint32_t* steps, const uint16_t* column, const char* value) {
    if constexpr (Pattern < kPatterns) {
        for (uint32_t i = steps[Pattern]; i != 0; --i) {
            Step::template step<Pattern>(sums, tile, column, value);
            column += Columns;
            value += 4 * rows_of(Pattern);
        }
        run<Step, Columns, Vectors, Pattern + 1>(sums, tile, steps, column, value);
    }
}
// ---------------------------------------------------------------------------------------- into the tile

// The tokens whose values share lane `lane` of a vector of inputs in half precision: the lower half's and the
// upper half's. With pair products this is the order that interleaving two columns turns into the tokens' own.
inline int lower_token(int lane) {
#ifdef __AVX512BF16__
    return (lane & 2 ? kLanes : 0) + lane / 4 * 4 + 2 * (lane & 1);
#else
    return lane;
#endif
}
inline int upper_token(int lane) {
#ifdef __AVX512BF16__
    return lower_token(lane) + 1;
#else
    return lane + kLanes;
#endif
}

struct Rows {  // the tile's tokens in the input; those beyond its end read as zeros
    const Linear& linear;
    int64_t first, count;
    const float* at(int64_t token) const {
        return token < count ? linear.input + (first + token) * linear.input_stride : nullptr;
    }
};

template <int Vectors>
void fill(const Rows& rows, bool half, char* tile) {
    const int64_t columns = rows.linear.columns;
    const int parts = half ? Vectors / 2 : Vectors;
    const size_t stride = static_cast<size_t>(parts) * kBytes;
    for (int part = 0; part < parts; ++part) {
        const float *lower[kLanes], *upper[kLanes];
        bool whole = true;
        for (int lane = 0; lane < kLanes; ++lane) {
            lower[lane] = rows.at(half ? part * 2 * kLanes + lower_token(lane) : part * kLanes + lane);
            upper[lane] = half ? rows.at(part * 2 * kLanes + upper_token(lane)) : lower[lane];
            whole = whole && lower[lane] && upper[lane];
        }
        for (int64_t column = 0; column < columns; column += kLanes) {
            const int64_t left = columns - column;
            const bool inside = whole && left >= kLanes;
            Floats block[kLanes];
            for (int lane = 0; lane < kLanes; ++lane) {
                const Floats low = inside ? load_whole(lower[lane], column) : load(lower[lane], column, left);
                block[lane] =
                    half ? interleaved(low, inside ? load_whole(upper[lane], column) : load(upper[lane], column, left))
                         : low;
            }
            store_columns(block, left, tile + static_cast<size_t>(column) * stride + part * kBytes, stride);
        }
    }
    std::memset(tile + static_cast<size_t>(columns) * stride, 0, stride);  // what a lone column is paired with
}

// ---------------------------------------------------------------------------------------- out of the registers

// Outputs of kGathered groups are gathered before they go to the output matrix, two cache lines of each token at
// once. Its rows are often a multiple of 1 KiB apart, where smaller pieces would evict each other from the cache.
constexpr int64_t kGatheredRows = kGathered * kGroupRows;

template <int Vectors>
DEEPCUTS_INLINE void add_bias_and_activate(const Linear& linear, Floats (&sums)[kGroupRows][Vectors], int64_t group) {
    for (int row = 0; row < kGroupRows; ++row) {
        const int64_t index = group * kGroupRows + row;
        const Floats bias = all(linear.bias && index < linear.rows ? linear.bias[index] : 0.0f);
        for (int v = 0; v < Vectors; ++v) sums[row][v] += bias;
    }
    if (linear.activation == kGelu)
        for (int row = 0; row < kGroupRows; ++row)
            for (int v = 0; v < Vectors; ++v)
                sums[row][v] = linear.half ? gelu_for_half(sums[row][v]) : gelu(sums[row][v]);
}

// Puts a group's outputs into the gathered ones, (tokens of the tile, kGatheredRows).
template <int Vectors>
DEEPCUTS_INLINE void gather(const Floats (&sums)[kGroupRows][Vectors], int64_t group, float* gathered) {
    float* const place = gathered + group % kGathered * kGroupRows;
    for (int v = 0; v < Vectors; ++v) {
        float* const target = place + v * kLanes * kGatheredRows;
#ifdef __AVX512F__
        const auto a = reinterpret_cast<__m512>(sums[0][v]), b = reinterpret_cast<__m512>(sums[1][v]);
        const auto c = reinterpret_cast<__m512>(sums[2][v]), d = reinterpret_cast<__m512>(sums[3][v]);
        const __m512d ab_low = _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
        const __m512d ab_high = _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
        const __m512d cd_low = _mm512_castps_pd(_mm512_unpacklo_ps(c, d));
        const __m512d cd_high = _mm512_castps_pd(_mm512_unpackhi_ps(c, d));
        const __m512 quads[4] = {  // lane 4L + row of quads[i]: that row of token 4L + i
            _mm512_castpd_ps(_mm512_unpacklo_pd(ab_low, cd_low)),
            _mm512_castpd_ps(_mm512_unpackhi_pd(ab_low, cd_low)),
            _mm512_castpd_ps(_mm512_unpacklo_pd(ab_high, cd_high)),
            _mm512_castpd_ps(_mm512_unpackhi_pd(ab_high, cd_high)),
        };
        for (int i = 0; i < 4; ++i) {
            _mm_store_ps(target + (0 + i) * kGatheredRows, _mm512_castps512_ps128(quads[i]));
            _mm_store_ps(target + (4 + i) * kGatheredRows, _mm512_extractf32x4_ps(quads[i], 1));
            _mm_store_ps(target + (8 + i) * kGatheredRows, _mm512_extractf32x4_ps(quads[i], 2));
            _mm_store_ps(target + (12 + i) * kGatheredRows, _mm512_extractf32x4_ps(quads[i], 3));
        }
#else
        for (int lane = 0; lane < kLanes; ++lane)
            for (int row = 0; row < kGroupRows; ++row) target[lane * kGatheredRows + row] = sums[row][v][lane];
#endif
    }
}

// Copies gathered outputs, the rows [row, row + rows) of the weight, to the output matrix.
void scatter(const Linear& linear, int64_t first_token, int64_t tokens, int64_t row, int64_t rows,
             const float* gathered) {
    float* target = linear.output + first_token * linear.output_stride + row;
    for (int64_t token = 0; token < tokens; ++token) {
        if (rows == kGatheredRows)
            std::memcpy(target, gathered, kGatheredRows * 4);
        else
            std::memcpy(target, gathered, static_cast<size_t>(rows) * 4);
        target += linear.output_stride;
        gathered += kGatheredRows;
    }
}

// ---------------------------------------------------------------------------------------- one tile

struct Part {  // which tokens and groups of rows
    int64_t first_token, tokens, first_group, last_group;
};

// Rows of a layer from the tile of its inputs: to the output matrix, or as columns of the tile `next` where there is one.
template <class Step, int Columns, int Vectors>
void multiply_rows(const Linear& linear, const Part& part, const char* tile, float* gathered, char* next) {
    const auto* start = reinterpret_cast<const uint64_t*>(linear.packed);
    int64_t unwritten = part.first_group * kGroupRows;
    for (int64_t group = part.first_group; group < part.last_group; ++group) {
        const auto* steps = reinterpret_cast<const uint32_t*>(linear.packed + start[group]);
        const auto* column = reinterpret_cast<const uint16_t*>(steps + kPatterns);
        size_t columns = 0;
        for (int pattern = 1; pattern < kPatterns; ++pattern) columns += steps[pattern];
        columns *= Columns;
        // Weights are read once a tile, in pieces too short for the processor to see them coming.
        if (group + 1 < part.last_group)
            for (uint64_t at = start[group + 1]; at < start[group + 2]; at += 64) __builtin_prefetch(linear.packed + at, 0, 2);
        Floats sums[kGroupRows][Vectors];
        for (int row = 0; row < kGroupRows; ++row)
            for (int v = 0; v < Vectors; ++v) sums[row][v] = Floats{};
        run<Step, Columns, Vectors>(sums, tile, steps, column,
                                    reinterpret_cast<const char*>(column + columns + columns % 2));
        add_bias_and_activate(linear, sums, group);
        const int64_t past = (group + 1) * kGroupRows < linear.rows ? (group + 1) * kGroupRows : linear.rows;
        if (next != nullptr) {
            for (int64_t row = group * kGroupRows; row < past; ++row)
                Step::lay(sums[row % kGroupRows], next + row * Step::kStride);
            continue;
        }
        gather(sums, group, gathered);
        if (group % kGathered == kGathered - 1 || group == part.last_group - 1) {
            scatter(linear, part.first_token, part.tokens, unwritten, past - unwritten, gathered);
            unwritten = past;
        }
    }
    if (next != nullptr) std::memset(next + linear.rows * Step::kStride, 0, Step::kStride);
}

template <class Step, int Columns, int Vectors>
void compute(const Linears& linears, const Part& part, char* scratch) {
    auto* const gathered = reinterpret_cast<float*>(scratch);
    char* const tile = scratch + Vectors * kLanes * kGatheredRows * 4;
    const Linear& first = linears.layers[0];
    fill<Vectors>(Rows{first, part.first_token, part.tokens}, first.half, tile);
    if (linears.chained) {
        char* const next = tile + (first.columns + 1) * Step::kStride;
        const Linear& second = linears.layers[1];
        multiply_rows<Step, Columns, Vectors>(first, {part.first_token, part.tokens, 0, group_count(first.rows)}, tile,
                                              gathered, next);
        multiply_rows<Step, Columns, Vectors>(second, {part.first_token, part.tokens, 0, group_count(second.rows)},
                                              next, gathered, nullptr);
        return;
    }
    int64_t before = 0;  // groups of the layers before
    for (int64_t nth = 0; nth < linears.count; ++nth) {
        const Linear& linear = linears.layers[nth];
        const int64_t groups = group_count(linear.rows);
        const int64_t begin = part.first_group - before, end = part.last_group - before;
        if (begin < groups && end > 0)
            multiply_rows<Step, Columns, Vectors>(
                linear, {part.first_token, part.tokens, begin > 0 ? begin : 0, end < groups ? end : groups}, tile,
                gathered, nullptr);
        before += whole_gatherings(groups);
    }
}

int64_t tile_tokens(int32_t half) { return most_vectors(half) * kLanes; }

size_t scratch_bytes(const Linears& linears) {
    const Linear& first = linears.layers[0];
    const int64_t columns = first.columns + 1 + (linears.chained ? first.rows + 1 : 0);
    return static_cast<size_t>(tile_tokens(first.half) * (kGatheredRows * 4 + columns * (first.half ? 2 : 4)));
}

void tile(const Linears& linears, int64_t first_token, int64_t tokens, int64_t first_group, int64_t last_group,
          char* scratch) {
    const int64_t vectors = (tokens + kLanes - 1) / kLanes;
    const bool half = linears.layers[0].half;
    const Part part{first_token, tokens, first_group, last_group};
    constexpr int kMost = most_vectors(true);
    if (half && vectors > 2)
        compute<Half<kMost>, 2, kMost>(linears, part, scratch);
    else if (half)
        compute<Half<2>, 2, 2>(linears, part, scratch);
    else if (vectors > 1)
        compute<Single<2>, 1, 2>(linears, part, scratch);
    else
        compute<Single<1>, 1, 1>(linears, part, scratch);
}

}  // namespace
}  // namespace deepcuts
