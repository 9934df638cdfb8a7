// The loss of one lane group and its gradient; in double, for it is ten numbers an image.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "lanes.hpp"

namespace {

struct Loss {
    bool normalised;  // the output passes through log-softmax first (cross-entropy, or NLL after LogSoftmax)
    double smoothing;
};

struct Score {
    double loss = 0;
    int64_t correct = 0;
};

// Log of softmax of one lane, in place.
inline void log_softmax(std::vector<double>& z) {
    double most = *std::max_element(z.begin(), z.end()), sum = 0;
    for (double v : z) sum += std::exp(v - most);
    for (double& v : z) v -= most + std::log(sum);
}

// Loss and hits summed over the `valid` lanes, and the gradient of the mean over `batch` images.
inline Score loss_and_gradient(View output, View gradient, Loss loss, const int64_t* labels, int valid, int batch) {
    const int classes = output.c;
    const double even = loss.smoothing / classes, one = 1 - loss.smoothing;
    std::vector<double> z(classes);
    Score score;
    for (int l = 0; l < LANES; l++) {
        if (l >= valid) {
            for (int k = 0; k < classes; k++) (*gradient.row(k, 0))[l] = 0;
            continue;
        }
        for (int k = 0; k < classes; k++) z[k] = (*output.row(k, 0))[l];
        const int label = int(labels[l]);
        score.correct += std::max_element(z.begin(), z.end()) - z.begin() == label;
        if (loss.normalised) log_softmax(z);
        for (int k = 0; k < classes; k++) {
            const double target = even + (k == label ? one : 0);
            score.loss -= target * z[k];
            (*gradient.row(k, 0))[l] = float(((loss.normalised ? std::exp(z[k]) : 0) - target) / batch);
        }
    }
    return score;
}

// The output of `valid` images, [valid][classes].
inline void unpack_output(View output, bool log_probabilities, int valid, float* to) {
    std::vector<double> z(output.c);
    for (int l = 0; l < valid; l++, to += output.c) {
        for (int k = 0; k < output.c; k++) z[k] = (*output.row(k, 0))[l];
        if (log_probabilities) log_softmax(z);
        for (int k = 0; k < output.c; k++) to[k] = float(z[k]);
    }
}

}  // namespace
