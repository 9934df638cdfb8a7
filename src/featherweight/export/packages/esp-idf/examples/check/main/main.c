/* Classifies pictures whose scores are known, and prints PASS with the milliseconds they took, or FAIL with the picture. */
#include <stdint.h>
#include <stdio.h>

#include "esp_timer.h"

#include "model_check.h"

void app_main(void)
{
    const int64_t begun = esp_timer_get_time();
    const int wrong = model_check();
    const unsigned taken = (unsigned)(esp_timer_get_time() - begun);
    if (wrong) {
        printf("FAIL: picture %d\n", wrong);
    } else {
        printf("PASS: %d pictures in %u.%03u ms\n", MODEL_CHECKS, taken / 1000, taken % 1000);
    }
}
