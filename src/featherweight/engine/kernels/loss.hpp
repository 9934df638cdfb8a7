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
    double taught, temperature;  // share of the loss that is the teacher's, where there is one; and what softens both
};

struct Score {
    double loss = 0;
    int64_t correct = 0;
};

// What the labels of a batch, and its teacher if it has one, say; of one lane group here.
struct Targets {
    const int64_t* labels;
    const float* taught;  // [lane][class], the teacher's probabilities at the loss's temperature; null without one
};

// Log of softmax of one lane, in place.
inline void log_softmax(std::vector<double>& z) {
    double most = *std::max_element(z.begin(), z.end()), sum = 0;
    for (double v : z) sum += std::exp(v - most);
    for (double& v : z) v -= most + std::log(sum);
}

// The teacher's part for one lane with scores z (Hinton et al., 2015, eq. 2 and 4): cross-entropy of the softened
// answers, times the temperature squared, so that its gradient keeps its size; `derivative` gets the gradient.
inline double taught_loss(const std::vector<double>& z, const float* taught, double temperature, std::vector<double>& derivative) {
    derivative = z;
    for (double& v : derivative) v /= temperature;
    log_softmax(derivative);
    double loss = 0;
    for (size_t k = 0; k < z.size(); k++) {
        loss -= taught[k] * derivative[k] * temperature * temperature;
        derivative[k] = (std::exp(derivative[k]) - taught[k]) * temperature;
    }
    return loss;
}

// Loss and hits summed over the `valid` lanes, and the gradient of the mean over `batch` images.
inline Score loss_and_gradient(View output, View gradient, Loss loss, Targets targets, int valid, int batch) {
    const int classes = output.c;
    const double even = loss.smoothing / classes, one = 1 - loss.smoothing;
    const double share = targets.taught ? loss.taught : 0;
    std::vector<double> z(classes), derivative(classes);
    Score score;
    for (int l = 0; l < LANES; l++) {
        if (l >= valid) {
            for (int k = 0; k < classes; k++) (*gradient.row(k, 0))[l] = 0;
            continue;
        }
        for (int k = 0; k < classes; k++) z[k] = (*output.row(k, 0))[l];
        const int label = int(targets.labels[l]);
        score.correct += std::max_element(z.begin(), z.end()) - z.begin() == label;
        if (share > 0) score.loss += share * taught_loss(z, targets.taught + l * classes, loss.temperature, derivative);
        if (loss.normalised) log_softmax(z);
        for (int k = 0; k < classes; k++) {
            const double target = even + (k == label ? one : 0);
            score.loss -= (1 - share) * target * z[k];
            const double own = (loss.normalised ? std::exp(z[k]) : 0) - target;
            (*gradient.row(k, 0))[l] = float(((1 - share) * own + share * derivative[k]) / batch);
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
