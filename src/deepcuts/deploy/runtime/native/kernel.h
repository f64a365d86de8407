// What the files of the kernel share: the packed form of a weight, and the pieces of work.
//
// A weight (rows, columns) is packed in groups of four rows. A column in which a group has weights belongs to
// one pattern, the set of those rows as a bit mask from 1 to 15. Columns are listed by pattern, so that
// what several rows need is loaded once for all of them and no branch depends on a single weight.
//
//   uint64 start[groups + 1]        where each group begins, in bytes from the beginning
//   per group:
//     uint32 steps[16]              by pattern; [0] is unused
//     uint16 column[]               of all patterns one after the other, padded to a multiple of 4 bytes
//     float or uint32 value[]       per step, one for each row of the pattern
//
// In single precision a step is one column. In half precision (bfloat16) it is a pair of columns and a value is
// the pair of their weights; a lone last column is paired with column `columns`, which the tile has as zeros.
#pragma once

#include <cstddef>
#include <cstdint>

namespace deepcuts {

constexpr int64_t kGroupRows = 4;
constexpr int64_t kGathered = 8;  // groups whose outputs are written together
constexpr int kPatterns = 1 << kGroupRows;
constexpr int64_t kMaximumColumns = 65535;  // a column is a uint16, and one more is needed for zeros

enum Activation : int32_t { kNone = 0, kGelu = 1 };

struct Linear {
    const uint8_t* packed;
    int64_t rows, columns;
    int32_t half;        // 1: weights and inputs in bfloat16, sums in float
    int32_t activation;  // what is applied to the output
    const float* bias;   // (rows,) or null
    const float* input;  // (tokens, columns), the last dimension contiguous
    int64_t tokens, input_stride;
    float* output;  // (tokens, rows), the last dimension contiguous
    int64_t output_stride;
};

// Layers that are computed together: all from the same inputs, or, if chained, two of which the second takes the outputs
// of the first; these are then not written, though there must be memory for them. All are of the same precision.
struct Linears {
    const Linear* layers;
    int64_t count;
    int32_t chained;
};

// softmax(scale · query · keyᵀ) · value, for each head of each row of a batch. The last dimension of all is contiguous;
// the steps to the next row of the batch, head and token are given in elements.
struct Attention {
    const float *query, *key, *value;
    float* output;
    const uint8_t* allowed;  // (batch, queries, keys), 1 where a query sees a key; null: everywhere
    int64_t batch, heads, queries, keys, features;  // features a head: a multiple of 16
    int64_t query_steps[3], key_steps[3], value_steps[3], output_steps[3];
    int64_t allowed_steps[2];  // to the next row of the batch, and query
    float scale;               // above 0
    int32_t half;              // 1: products in bfloat16 where the processor has them, sums in float
};

// output = (s - mean(s)) / sqrt(variance(s) + epsilon) · weight + bias for each row of s = a + b; all contiguous.
struct AddNorm {
    const float *a, *b, *weight, *bias;
    float* output;
    int64_t rows, columns;
    float epsilon;
};

// One instruction set's kernel. `tile` computes layers for up to `tile_tokens` tokens: the groups [first_group, last_group)
// of all together, each layer's being counted as whole gatherings; if chained, all. `head` a head of a row of the batch, `add_norm` the rows [first, last); `scratch` has as
// many bytes as the function before says, and is aligned to 64.
struct Kernel {
    const char* name;
    int64_t (*tile_tokens)(int32_t half);
    size_t (*scratch_bytes)(const Linears&);
    void (*tile)(const Linears&, int64_t first_token, int64_t tokens, int64_t first_group, int64_t last_group,
                 char* scratch);
    size_t (*head_scratch_bytes)(const Attention&);
    void (*head)(const Attention&, int64_t row, int64_t number, char* scratch);
    void (*add_norm)(const AddNorm&, int64_t first, int64_t last);
};

inline int64_t group_count(int64_t rows) { return (rows + kGroupRows - 1) / kGroupRows; }
inline int64_t whole_gatherings(int64_t groups) { return (groups + kGathered - 1) / kGathered * kGathered; }

}  // namespace deepcuts
