/* Classifies pictures whose scores are known, and prints PASS with the milliseconds they took, or FAIL with the picture. */
#include <stdio.h>
#include <time.h>

#include "model_check.h"

int main(void)
{
    const clock_t begun = clock();
    const int wrong = model_check();
    const double taken = 1000.0 * (double)(clock() - begun) / CLOCKS_PER_SEC;
    if (wrong) {
        printf("FAIL: picture %d\n", wrong);
        return 1;
    }
    printf("PASS: %d pictures in %.3f ms\n", MODEL_CHECKS, taken);
    return 0;
}
