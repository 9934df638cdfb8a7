#include <time.h>
#define k_uptime_ticks() ((int64_t)clock())
#define k_ticks_to_us_floor64(ticks) ((uint64_t)(ticks) * 1000000 / CLOCKS_PER_SEC)
