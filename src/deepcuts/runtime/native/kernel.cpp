// The kernel proper: written once, compiled once for each instruction set with flags of its own (see build.py).
//
// A tile is some tokens of the input, transposed: for each column of the weight, the values of all the tile's
// tokens side by side. A weight is then a number that multiplies whole vectors, and the sums of four
// rows stay in registers while the weights of their columns go by. Bias and activation are applied, and the
// sums transposed back, before they leave the registers.
#include "kernel.h"

#include <cmath>
#include <cstring>

#ifdef __AVX512F__
#include <immintrin.h>
#define DEEPCUTS_BYTES 64
#elif defined(__AVX2__)
#define DEEPCUTS_BYTES 32
#else
#define DEEPCUTS_BYTES 16
#endif

// Sums must stay in registers, so whatever touches them must be inlined.
#define DEEPCUTS_INLINE inline __attribute__((always_inline))
#define DEEPCUTS_JOIN_(a, b) a##b
#define DEEPCUTS_JOIN(a, b) DEEPCUTS_JOIN_(a, b)
#define DEEPCUTS_TEXT_(a) #a
#define DEEPCUTS_TEXT(a) DEEPCUTS_TEXT_(a)

namespace deepcuts {
namespace {  // each instruction set's copy keeps its functions to itself, or the linker would merge them

constexpr int kBytes = DEEPCUTS_BYTES;
constexpr int kLanes = kBytes / 4;
typedef float Floats __attribute__((vector_size(kBytes), aligned(kBytes)));
typedef uint32_t Words __attribute__((vector_size(kBytes), aligned(kBytes)));

inline Floats all(float value) { return value - Floats{}; }
inline Floats floats(Words words) { return reinterpret_cast<Floats>(words); }

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

#ifdef __AVX512F__
// Sixteen rows of sixteen values become sixteen columns.
DEEPCUTS_INLINE void transpose(__m512 (&r)[16]) {
    __m512 t[16];
    for (int i = 0; i < 8; ++i) {
        t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 4; ++i) {  // r[4i + j], lane 4L + m: column 4L + j of row 4i + m
        for (int j = 0; j < 2; ++j) {
            const __m512d a = _mm512_castps_pd(t[4 * i + j]), b = _mm512_castps_pd(t[4 * i + 2 + j]);
            r[4 * i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            r[4 * i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    }
    for (int j = 0; j < 4; ++j) {
        const __m512 a = _mm512_shuffle_f32x4(r[j], r[4 + j], 0x88), b = _mm512_shuffle_f32x4(r[j], r[4 + j], 0xdd);
        const __m512 c = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0x88);
        const __m512 d = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0xdd);
        t[j] = _mm512_shuffle_f32x4(a, c, 0x88);
        t[4 + j] = _mm512_shuffle_f32x4(b, d, 0x88);
        t[8 + j] = _mm512_shuffle_f32x4(a, c, 0xdd);
        t[12 + j] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
    for (int i = 0; i < 16; ++i) r[i] = t[i];
}
#endif

// Bits of the nearest bfloat16, ties to even, in the upper halves; the lower ones are 0.
inline Words rounded(Floats values) {
    const Words bits = reinterpret_cast<Words>(values);
    const Words nearest = (bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u;
    const Words nan = reinterpret_cast<Words>((bits & 0x7fffffffu) > 0x7f800000u);
    return (nan & ((bits & 0xffff0000u) | 0x400000u)) | (~nan & nearest);
}

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

// `columns` (at most kLanes) values of a token from `column` on, zeros beyond.
inline Floats load(const float* row, int64_t column, int64_t columns) {
    Floats values{};
    if (row) std::memcpy(&values, row + column, static_cast<size_t>(columns < kLanes ? columns : kLanes) * 4);
    return values;
}

inline Floats load_whole(const float* row, int64_t column) {
    Floats values;
    std::memcpy(&values, row + column, sizeof values);
    return values;
}

// Writes a block of kLanes tokens (or pairs of tokens) by at most kLanes columns to the tile.
inline void store_columns(Floats (&block)[kLanes], int64_t columns, char* target, size_t stride) {
#ifdef __AVX512F__
    __m512 rows[16];
    for (int i = 0; i < 16; ++i) rows[i] = reinterpret_cast<__m512>(block[i]);
    transpose(rows);
    if (columns >= 16) {
        for (int i = 0; i < 16; ++i) _mm512_store_ps(target + stride * static_cast<size_t>(i), rows[i]);
    } else {
        for (int i = 0; i < 16; ++i)
            if (i < columns) _mm512_store_ps(target + stride * static_cast<size_t>(i), rows[i]);
    }
#else
    for (int64_t column = 0; column < columns && column < kLanes; ++column) {
        Floats across;
        for (int lane = 0; lane < kLanes; ++lane) across[lane] = block[lane][column];
        std::memcpy(target + stride * static_cast<size_t>(column), &across, sizeof across);
    }
#endif
}

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
                Floats low = inside ? load_whole(lower[lane], column) : load(lower[lane], column, left);
                if (half) {
                    const Floats high = inside ? load_whole(upper[lane], column) : load(upper[lane], column, left);
                    low = floats(rounded(high) | rounded(low) >> 16);
                }
                block[lane] = low;
            }
            store_columns(block, left, tile + static_cast<size_t>(column) * stride + part * kBytes, stride);
        }
    }
    std::memset(tile + static_cast<size_t>(columns) * stride, 0, stride);  // what a lone column is paired with
}

// ---------------------------------------------------------------------------------------- out of the registers

// x · Φ(x) with the normal distribution's Φ, as a rational function of degree 11 over 10 for Φ(x) - ½ (a least squares
// fit, reweighted towards its largest errors, on [0, 5.6], beyond which Φ is 0 or 1 to single precision). The error
// is below 1.2e-6, or that relative to an output above 1. The comparisons are such that NaN stays NaN.
DEEPCUTS_INLINE Floats gelu(Floats x) {
    const Floats most = all(5.6f);
    const Floats above = x < -most ? -most : x;
    const Floats z = above > most ? most : above;
    const Floats s = z * z;
    Floats p = 2.1711101224108028e-08f * s + 6.590005780227318e-06f;
    p = p * s + 0.00019011984345129447f;
    p = p * s + 0.004805206534646639f;
    p = p * s + 0.03584404765286167f;
    p = p * s + 0.39894190177273636f;
    Floats q = 1.1851253205189096e-06f * s + 8.099779009939277e-05f;
    q = q * s + 0.002003159035612195f;
    q = q * s + 0.029802106785585758f;
    q = q * s + 0.25651045485296864f;
    q = q * s + 1.0f;
    return above * (0.5f + z * p / q);
}

// Outputs of kGathered groups are gathered before they go to the output matrix, two cache lines of each token at
// once. Its rows are often a multiple of 1 KiB apart, where smaller pieces would evict each other from the cache.
constexpr int64_t kGatheredRows = kGathered * kGroupRows;

// Puts a group's sums with bias and activation into the gathered outputs, (tokens of the tile, kGatheredRows).
template <int Vectors>
DEEPCUTS_INLINE void gather(const Linear& linear, Floats (&sums)[kGroupRows][Vectors], int64_t group, float* gathered) {
    for (int row = 0; row < kGroupRows; ++row) {
        const int64_t index = group * kGroupRows + row;
        const Floats bias = all(linear.bias && index < linear.rows ? linear.bias[index] : 0.0f);
        for (int v = 0; v < Vectors; ++v) sums[row][v] += bias;
    }
    if (linear.activation == kGelu)
        for (int row = 0; row < kGroupRows; ++row)
            for (int v = 0; v < Vectors; ++v) sums[row][v] = gelu(sums[row][v]);
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

template <class Step, int Columns, int Vectors>
void compute(const Linear& linear, int64_t first_token, int64_t tokens, int64_t first_group, int64_t last_group,
             char* scratch) {
    auto* const gathered = reinterpret_cast<float*>(scratch);
    char* const tile = scratch + Vectors * kLanes * kGatheredRows * 4;
    fill<Vectors>(Rows{linear, first_token, tokens}, linear.half, tile);
    const auto* start = reinterpret_cast<const uint64_t*>(linear.packed);
    int64_t unwritten = first_group * kGroupRows;
    for (int64_t group = first_group; group < last_group; ++group) {
        const auto* steps = reinterpret_cast<const uint32_t*>(linear.packed + start[group]);
        const auto* column = reinterpret_cast<const uint16_t*>(steps + kPatterns);
        size_t columns = 0;
        for (int pattern = 1; pattern < kPatterns; ++pattern) columns += steps[pattern];
        columns *= Columns;
        // Weights are read once a tile, in pieces too short for the processor to see them coming.
        if (group + 1 < last_group)
            for (uint64_t at = start[group + 1]; at < start[group + 2]; at += 64) __builtin_prefetch(linear.packed + at, 0, 2);
        Floats sums[kGroupRows][Vectors];
        for (int row = 0; row < kGroupRows; ++row)
            for (int v = 0; v < Vectors; ++v) sums[row][v] = Floats{};
        run<Step, Columns, Vectors>(sums, tile, steps, column,
                                    reinterpret_cast<const char*>(column + columns + columns % 2));
        gather<Vectors>(linear, sums, group, gathered);
        if (group % kGathered == kGathered - 1 || group == last_group - 1) {
            const int64_t past = (group + 1) * kGroupRows < linear.rows ? (group + 1) * kGroupRows : linear.rows;
            scatter(linear, first_token, tokens, unwritten, past - unwritten, gathered);
            unwritten = past;
        }
    }
}

int64_t tile_tokens(int32_t half) { return most_vectors(half) * kLanes; }

size_t scratch_bytes(const Linear& linear) {
    const int64_t per_token = kGatheredRows * 4 + (linear.columns + 1) * (linear.half ? 2 : 4);
    return static_cast<size_t>(tile_tokens(linear.half) * per_token);
}

void tile(const Linear& linear, int64_t first_token, int64_t tokens, int64_t first_group, int64_t last_group,
          char* scratch) {
    const int64_t vectors = (tokens + kLanes - 1) / kLanes;
    constexpr int kMost = most_vectors(true);
    if (linear.half && vectors > 2)
        compute<Half<kMost>, 2, kMost>(linear, first_token, tokens, first_group, last_group, scratch);
    else if (linear.half)
        compute<Half<2>, 2, 2>(linear, first_token, tokens, first_group, last_group, scratch);
    else if (vectors > 1)
        compute<Single<2>, 1, 2>(linear, first_token, tokens, first_group, last_group, scratch);
    else
        compute<Single<1>, 1, 1>(linear, first_token, tokens, first_group, last_group, scratch);
}

}  // namespace

extern const Kernel DEEPCUTS_JOIN(kernel_, DEEPCUTS_SET);
const Kernel DEEPCUTS_JOIN(kernel_, DEEPCUTS_SET) = {DEEPCUTS_TEXT(DEEPCUTS_SET), tile_tokens, scratch_bytes, tile};

}  // namespace deepcuts
