// Attention of one head: keys and values are laid out once, then queries go by, four at a time.
//
// With pair products, a word is two neighbours in bfloat16 (features of a query or key, tokens of a weight or value)
// and one instruction adds both products; else a word is a float.
#pragma once

#include <limits>

#include "kernel.h"
#include "vectors.h"

namespace deepcuts {
namespace {

#ifdef __AVX512BF16__
constexpr bool kPairProducts = true;
#else
constexpr bool kPairProducts = false;
#endif

constexpr int kQueries = 4;                        // at a time
constexpr int kMostAcross = kBytes == 64 ? 4 : 2;  // vectors of sums a query: all must fit the registers
constexpr float kInfinity = std::numeric_limits<float>::infinity();

inline int64_t padded(int64_t count) { return (count + kLanes - 1) / kLanes * kLanes; }

inline Floats broadcast(const float* word) {
    uint32_t bits;  // as a number it may be a signalling NaN, which arithmetic would change
    std::memcpy(&bits, word, 4);
    return floats(bits + Words{});
}

template <bool Pairs>
DEEPCUTS_INLINE Floats add_products(Floats sums, Floats across, Floats one) {
#ifdef __AVX512BF16__
    if constexpr (Pairs)
        return reinterpret_cast<Floats>(_mm512_dpbf16_ps(
            reinterpret_cast<__m512>(sums), reinterpret_cast<__m512bh>(across), reinterpret_cast<__m512bh>(one)));
#endif
    return sums + across * one;
}

// Neighbouring values become words of pairs; `count` is a multiple of 16.
inline void to_pairs([[maybe_unused]] const float* values, [[maybe_unused]] int64_t count,
                     [[maybe_unused]] float* words) {
#ifdef __AVX512BF16__
    for (int64_t i = 0; i < count; i += 16) {
        const __m256bh half = _mm512_cvtneps_pbh(_mm512_loadu_ps(values + i));
        std::memcpy(words + i / 2, &half, 32);
    }
#endif
}

// Sums over `count` words: of each query's word times the vectors `across` for it, `step` words further each time.
template <bool Pairs, int Across>
DEEPCUTS_INLINE void multiply(const float* const (&words)[kQueries], int64_t count, const float* across, int64_t step,
                              Floats (&sums)[kQueries][Across]) {
    for (int q = 0; q < kQueries; ++q)
        for (int v = 0; v < Across; ++v) sums[q][v] = Floats{};
    for (int64_t i = 0; i < count; ++i, across += step) {
        Floats vectors[Across];
        for (int v = 0; v < Across; ++v) vectors[v] = load_whole(across, v * kLanes);
        for (int q = 0; q < kQueries; ++q) {
            const Floats one = broadcast(words[q] + i);
            for (int v = 0; v < Across; ++v) sums[q][v] = add_products<Pairs>(sums[q][v], vectors[v], one);
        }
    }
}

struct Head {  // where a head's data are, and its scratch memory
    const Attention& attention;
    const float *query, *key, *value;
    float* output;
    float* keys;     // (words of a key, padded keys)
    float* values;   // (words of all tokens, features); with pair products only, else they are used where they are
    float* queries;  // (kQueries, words of a query); with pair products only
    float* scores;   // (kQueries, padded keys)
    float* weights;  // (kQueries, padded keys)
    float* barred;   // (padded keys,): 0 where the query sees the key, else minus infinity

    int64_t padded_keys() const { return padded(attention.keys); }
};

template <bool Pairs>
void lay_out(const Head& h) {
    const Attention& a = h.attention;
    const int64_t keys = h.padded_keys(), words = Pairs ? a.features / 2 : a.features;
    for (int64_t first = 0; first < keys; first += kLanes) {
        const float* rows[kLanes];
        for (int lane = 0; lane < kLanes; ++lane) {
            rows[lane] = first + lane < a.keys ? h.key + (first + lane) * a.key_steps[2] : nullptr;
            if (!Pairs || !rows[lane]) continue;
            float* const pairs = h.scores + lane * words;  // there are no scores yet
            to_pairs(rows[lane], a.features, pairs);
            rows[lane] = pairs;
        }
        for (int64_t word = 0; word < words; word += kLanes) {
            Floats block[kLanes];
            for (int lane = 0; lane < kLanes; ++lane) block[lane] = load(rows[lane], word, words - word);
            auto* const target = reinterpret_cast<char*>(h.keys + word * keys + first);
            store_columns(block, words - word, target, static_cast<size_t>(keys) * 4);
        }
    }
    if (!Pairs) return;
    for (int64_t token = 0; token < keys; token += 2) {
        const float* const low = token < a.keys ? h.value + token * a.value_steps[2] : nullptr;
        const float* const high = token + 1 < a.keys ? h.value + (token + 1) * a.value_steps[2] : nullptr;
        float* const target = h.values + token / 2 * a.features;
        for (int64_t feature = 0; feature < a.features; feature += kLanes) {
            const Floats pairs = interleaved(load(low, feature, kLanes), load(high, feature, kLanes));
            std::memcpy(target + feature, &pairs, kBytes);
        }
    }
}

template <bool Pairs, int Across>
DEEPCUTS_INLINE void score(const Head& h, const float* const (&queries)[kQueries], int64_t key) {
    const int64_t keys = h.padded_keys(), words = Pairs ? h.attention.features / 2 : h.attention.features;
    Floats sums[kQueries][Across];
    multiply<Pairs>(queries, words, h.keys + key, keys, sums);
    for (int q = 0; q < kQueries; ++q) std::memcpy(h.scores + q * keys + key, sums[q], sizeof sums[q]);
}

// Turns a query's scores into its weights, not yet divided by their sum, which is returned.
template <bool Pairs>
DEEPCUTS_INLINE float weigh(const Head& h, float* scores, float* weights) {
    const int64_t keys = h.padded_keys();
    Floats most = all(-kInfinity);
    for (int64_t key = 0; key < keys; key += kLanes) {
        const Floats seen = load_whole(scores, key) + load_whole(h.barred, key);
        std::memcpy(scores + key, &seen, kBytes);
        most = seen > most ? seen : most;
    }
    float greatest = -kInfinity;
    for (int lane = 0; lane < kLanes; ++lane) greatest = most[lane] > greatest ? most[lane] : greatest;
    if (greatest == -kInfinity) greatest = 0;  // the query sees no key: all its weights become 0
    const Floats factor = all(h.attention.scale * 1.4426950408889634f), offset = all(greatest);
    Floats sums{};
    for (int64_t key = 0; key < keys; key += kLanes) {
        const Floats weight = power_of_two((load_whole(scores, key) - offset) * factor);
        sums += weight;
        std::memcpy((Pairs ? scores : weights) + key, &weight, kBytes);
    }
    if (Pairs) to_pairs(scores, keys, weights);
    float sum = 0;
    for (int lane = 0; lane < kLanes; ++lane) sum += sums[lane];
    return sum;
}

template <bool Pairs, int Across>
DEEPCUTS_INLINE void mix(const Head& h, int64_t first, const float (&shares)[kQueries], int64_t feature) {
    const Attention& a = h.attention;
    const int64_t keys = h.padded_keys();
    const float* weights[kQueries];
    for (int q = 0; q < kQueries; ++q) weights[q] = h.weights + q * keys;
    Floats sums[kQueries][Across];
    if (Pairs)
        multiply<Pairs>(weights, keys / 2, h.values + feature, a.features, sums);
    else
        multiply<Pairs>(weights, a.keys, h.value + feature, a.value_steps[2], sums);
    for (int q = 0; q < kQueries && first + q < a.queries; ++q) {
        for (int v = 0; v < Across; ++v) sums[q][v] *= all(shares[q]);
        std::memcpy(h.output + (first + q) * a.output_steps[2] + feature, sums[q], sizeof sums[q]);
    }
}

template <bool Pairs>
void attend(const Head& h, const uint8_t* allowed) {
    const Attention& a = h.attention;
    const int64_t keys = h.padded_keys();
    constexpr int64_t kStep = kMostAcross * kLanes;
    lay_out<Pairs>(h);
    for (int64_t key = 0; key < keys; ++key) h.barred[key] = key < a.keys ? 0.0f : -kInfinity;
    const uint8_t* seen = nullptr;  // the row of `allowed` that `barred` was made from
    for (int64_t first = 0; first < a.queries; first += kQueries) {
        const auto nth = [&](int q) { return first + q < a.queries ? first + q : a.queries - 1; };
        const float* queries[kQueries];
        for (int q = 0; q < kQueries; ++q) {
            queries[q] = h.query + nth(q) * a.query_steps[2];
            if (!Pairs) continue;
            float* const pairs = h.queries + q * a.features / 2;
            to_pairs(queries[q], a.features, pairs);
            queries[q] = pairs;
        }
        int64_t key = 0;
        for (; key + kStep <= keys; key += kStep) score<Pairs, kMostAcross>(h, queries, key);
        for (; key < keys; key += kLanes) score<Pairs, 1>(h, queries, key);
        float shares[kQueries];
        for (int q = 0; q < kQueries; ++q) {
            const uint8_t* const row = allowed ? allowed + nth(q) * a.allowed_steps[1] : nullptr;
            if (row != seen)
                for (int64_t one = 0; one < a.keys; ++one) h.barred[one] = row[one] ? 0.0f : -kInfinity;
            seen = row;
            const float sum = weigh<Pairs>(h, h.scores + q * keys, h.weights + q * keys);
            shares[q] = sum == 0 ? 0 : 1 / sum;
        }
        int64_t feature = 0;
        for (; feature + kStep <= a.features; feature += kStep) mix<Pairs, kMostAcross>(h, first, shares, feature);
        for (; feature < a.features; feature += kLanes) mix<Pairs, 1>(h, first, shares, feature);
    }
}

// ---------------------------------------------------------------------------------------- what others call

// The scores' memory also holds the pairs of kLanes keys while these are laid out.
inline int64_t score_words(const Attention& a) {
    const int64_t scores = kQueries * padded(a.keys), laid_out = kLanes * a.features / 2;
    return scores > laid_out ? scores : laid_out;
}

size_t head_scratch_bytes(const Attention& a) {
    const int64_t keys = padded(a.keys), laid_out = 2 * keys * a.features + kQueries * a.features / 2;
    return static_cast<size_t>(4 * (laid_out + score_words(a) + kQueries * keys + keys));
}

void head(const Attention& a, int64_t row, int64_t number, char* scratch) {
    const auto at = [&](const int64_t (&steps)[3]) { return row * steps[0] + number * steps[1]; };
    auto* memory = reinterpret_cast<float*>(scratch);
    const auto take = [&](int64_t words) {
        float* const taken = memory;
        memory += words;
        return taken;
    };
    const int64_t keys = padded(a.keys);
    const Head h{a,
                 a.query + at(a.query_steps),
                 a.key + at(a.key_steps),
                 a.value + at(a.value_steps),
                 a.output + at(a.output_steps),
                 take(keys * a.features),
                 take(keys * a.features),
                 take(kQueries * a.features / 2),
                 take(score_words(a)),
                 take(kQueries * keys),
                 take(keys)};
    const uint8_t* const allowed = a.allowed ? a.allowed + row * a.allowed_steps[0] : nullptr;
    if (kPairProducts && a.half)
        attend<true>(h, allowed);
    else
        attend<false>(h, allowed);
}

}  // namespace
}  // namespace deepcuts
