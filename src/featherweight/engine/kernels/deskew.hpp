// The slant of an image's ink, taken out by shifting its rows; networks/layers/preprocessing.py has the definition.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace {

// `from` [h][w] to `to` [h][w].
inline void deskew(const float* from, int h, int w, float* to) {
    float lowest = from[0], total = 0, weighted = 0, covariance = 0, variance = 0;
    for (int i = 0; i < h * w; i++) lowest = std::min(lowest, from[i]);
    std::vector<float> mass(h), moment(h), padded(size_t(w) + 2);
    for (int y = 0; y < h; y++) {
        float ink = 0, aside = 0;
        for (int x = 0; x < w; x++) {
            const float v = from[y * w + x] - lowest;
            ink += v, aside += v * (float(x) - 0.5f * float(w - 1));
        }
        mass[y] = ink, moment[y] = aside;
        total += ink, weighted += ink * float(y);
    }
    const float centre = weighted / std::max(total, 1e-12f);
    for (int y = 0; y < h; y++) {
        const float down = float(y) - centre;
        covariance += moment[y] * down, variance += mass[y] * down * down;
    }
    const float slant = std::clamp(covariance / std::max({variance, total / 16, 1e-12f}), -1.0f, 1.0f);
    for (int y = 0; y < h; y++) {
        const float shift = slant * (float(y) - centre), whole = std::floor(shift), part = shift - whole;
        std::copy(from + y * w, from + (y + 1) * w, padded.begin() + 1);
        padded.front() = padded.back() = lowest;
        for (int x = 0; x < w; x++) {
            const int left = x + int(whole) + 1;  // its place in `padded`
            const float one = padded[std::clamp(left, 0, w + 1)], other = padded[std::clamp(left + 1, 0, w + 1)];
            to[y * w + x] = one + part * (other - one);
        }
    }
}

}  // namespace
