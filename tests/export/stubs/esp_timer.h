#include <time.h>
#define esp_timer_get_time() ((int64_t)clock() * 1000000 / CLOCKS_PER_SEC)
void app_main(void);
int main(void) { app_main(); return 0; }
