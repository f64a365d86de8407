// Vectors of whatever width the instruction set has, and what is done to whole vectors. Included once by kernel.cpp,
// which is compiled once for each instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
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

namespace deepcuts {
namespace {  // each instruction set's copy keeps its functions to itself, or the linker would merge them

constexpr int kBytes = DEEPCUTS_BYTES;
constexpr int kLanes = kBytes / 4;
typedef float Floats __attribute__((vector_size(kBytes), aligned(kBytes)));
typedef uint32_t Words __attribute__((vector_size(kBytes), aligned(kBytes)));

inline Floats all(float value) { return value - Floats{}; }
inline Floats floats(Words words) { return reinterpret_cast<Floats>(words); }

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


// Each word has a value of `low`, in bfloat16, in its lower half, and that of `high` in its upper half.
inline Floats interleaved(Floats low, Floats high) {
#ifdef __AVX512BF16__
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,  //
                                           23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512bh both = _mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(high), reinterpret_cast<__m512>(low));
    return reinterpret_cast<Floats>(_mm512_permutexvar_epi16(order, reinterpret_cast<__m512i>(both)));
#else
    return floats(rounded(high) | rounded(low) >> 16);
#endif
}

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

// p / q for q of ordinary size, to the last bit or two: a division takes as long as all the rest of what uses it.
DEEPCUTS_INLINE Floats quotient(Floats p, Floats q) {
#ifdef __AVX512F__
    const auto inverse = reinterpret_cast<Floats>(_mm512_rcp14_ps(reinterpret_cast<__m512>(q)));
    return p * (inverse * (2.0f - q * inverse));
#else
    return p / q;
#endif
}

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
    return above * (0.5f + z * quotient(p, q));
}

// The same for outputs that will be rounded to bfloat16, to 2e-3 relative: degree 7 over 4, on [0, 4], scaled to end at ½.
// The error is below 3e-4, or that relative to an output above 1.
DEEPCUTS_INLINE Floats gelu_for_half(Floats x) {
    const Floats most = all(4.0f);
    const Floats above = x < -most ? -most : x;
    const Floats z = above > most ? most : above;
    const Floats s = z * z;
    Floats p = -2.084744508445488e-05f * s + 0.0021593582369155893f;
    p = p * s + 0.04351474947670921f;
    p = p * s + 0.39859095369451814f;
    Floats q = 0.02782473487832442f * s + 0.2734200013999738f;
    q = q * s + 1.0f;
#ifdef __AVX512F__
    return above * (0.5f + z * p * reinterpret_cast<Floats>(_mm512_rcp14_ps(reinterpret_cast<__m512>(q))));
#else
    return above * (0.5f + z * p / q);
#endif
}

// 2 to the power of x, to 2e-7 relative, for x up to 127; 0 below -126.5. NaN stays NaN.
DEEPCUTS_INLINE Floats power_of_two(Floats x) {
    const Floats least = all(-127.0f);
    x = x < least ? least : x;
    const Floats shifter = all(12582912.0f);  // 1.5 · 2^23: adding it rounds to a whole number, in the lowest bits
    const Floats shifted = x + shifter;
    const Floats rest = x - (shifted - shifter);
    Floats p = 1.5403530393381608e-4f * rest + 1.3333558146428443e-3f;  // the exponential's series in ln 2 · rest
    p = p * rest + 9.6181291076284769e-3f;
    p = p * rest + 5.5504108664821580e-2f;
    p = p * rest + 2.4022650695910072e-1f;
    p = p * rest + 6.9314718055994531e-1f;
    p = p * rest + 1.0f;
    const Words exponent = reinterpret_cast<Words>(shifted) - reinterpret_cast<Words>(shifter) + 127u;
    return p * floats(exponent << 23);
}

}  // namespace
}  // namespace deepcuts
