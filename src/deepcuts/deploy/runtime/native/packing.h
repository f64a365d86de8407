// Packing a weight, given as the bits of its mask and the values kept, into the form that kernel.h describes.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "kernel.h"

namespace deepcuts {

// A pattern of several rows with fewer columns than this is split into its rows: ending a loop costs about as
// much as the loads it would save.
constexpr size_t kLeastShared = 4;

inline uint16_t to_bfloat16(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(bits >> 16 | 0x40u);  // stays NaN
    return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);                 // nearest, ties to even
}

class Packer {
  public:
    Packer(const uint8_t* bits, const float* values, int64_t rows, int64_t columns, bool half)
        : bits_(bits), values_(values), rows_(rows), columns_(columns), half_(half) {}

    // Appends group after group to `out`; the values must be as many as the bits that are 1.
    void pack(std::vector<uint8_t>& out) {
        const int64_t groups = group_count(rows_);
        std::vector<uint64_t> start(static_cast<size_t>(groups) + 1);
        out.assign(start.size() * 8, 0);
        for (int64_t group = 0; group < groups; ++group) {
            start[static_cast<size_t>(group)] = out.size();
            collect(group);
            emit(out);
        }
        start.back() = out.size();
        std::memcpy(out.data(), start.data(), start.size() * 8);
    }

  private:
    struct Entry {
        uint16_t column;
        float value[kGroupRows];
    };

    bool kept(int64_t position) const { return bits_[position >> 3] >> (7 - (position & 7)) & 1; }

    void collect(int64_t group) {
        const int64_t first = group * kGroupRows;
        const int64_t count = rows_ - first < kGroupRows ? rows_ - first : kGroupRows;
        const float* next[kGroupRows] = {};
        for (int64_t row = 0; row < count; ++row) {
            next[row] = values_ + used_;
            for (int64_t column = 0; column < columns_; ++column) used_ += kept((first + row) * columns_ + column);
        }
        for (auto& list : lists_) list.clear();
        for (int64_t column = 0; column < columns_; ++column) {
            Entry entry{static_cast<uint16_t>(column), {}};
            unsigned pattern = 0;
            for (int64_t row = 0; row < count; ++row) {
                if (!kept((first + row) * columns_ + column)) continue;
                entry.value[row] = *next[row]++;
                pattern |= 1u << row;
            }
            if (pattern) lists_[pattern].push_back(entry);
        }
        for (unsigned pattern = 1; pattern < kPatterns; ++pattern) {
            const bool lone = (pattern & (pattern - 1)) == 0;
            if (lone || lists_[pattern].size() >= kLeastShared) continue;
            for (const Entry& entry : lists_[pattern])
                for (unsigned row = 0; row < kGroupRows; ++row)
                    if (pattern >> row & 1) lists_[1u << row].push_back(entry);
            lists_[pattern].clear();
        }
    }

    void emit(std::vector<uint8_t>& out) const {
        const size_t per_step = half_ ? 2 : 1;
        uint32_t steps[kPatterns] = {};
        std::vector<uint16_t> columns;
        std::vector<uint32_t> values;
        for (unsigned pattern = 1; pattern < kPatterns; ++pattern) {
            const auto& list = lists_[pattern];
            steps[pattern] = static_cast<uint32_t>((list.size() + per_step - 1) / per_step);
            for (size_t i = 0; i < list.size(); i += per_step) {
                const bool paired = half_ && i + 1 < list.size();
                columns.push_back(list[i].column);
                if (half_) columns.push_back(paired ? list[i + 1].column : static_cast<uint16_t>(columns_));
                for (unsigned row = 0; row < kGroupRows; ++row) {
                    if (!(pattern >> row & 1)) continue;
                    uint32_t value;
                    if (half_) {
                        value = to_bfloat16(list[i].value[row]);
                        if (paired) value |= static_cast<uint32_t>(to_bfloat16(list[i + 1].value[row])) << 16;
                    } else {
                        std::memcpy(&value, &list[i].value[row], 4);
                    }
                    values.push_back(value);
                }
            }
        }
        if (columns.size() % 2) columns.push_back(0);
        append(out, steps, sizeof steps);
        append(out, columns.data(), columns.size() * 2);
        append(out, values.data(), values.size() * 4);
        if (out.size() % 8) out.resize(out.size() + 4);
    }

    static void append(std::vector<uint8_t>& out, const void* data, size_t bytes) {
        if (bytes == 0) return;
        const auto* from = static_cast<const uint8_t*>(data);
        out.insert(out.end(), from, from + bytes);
    }

    const uint8_t* bits_;
    const float* values_;
    int64_t rows_, columns_;
    bool half_;
    int64_t used_ = 0;
    std::vector<Entry> lists_[kPatterns];
};

}  // namespace deepcuts
