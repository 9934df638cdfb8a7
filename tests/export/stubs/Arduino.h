/* As much of Arduino's core as the examples use, on a computer: the loop runs once. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static unsigned long micros() { return (unsigned long)(1e6 * clock() / CLOCKS_PER_SEC); }
static void delay(unsigned long) { exit(0); }
struct {
  void begin(long) {}
  void print(const char *text) { printf("%s", text); }
  void print(int number) { printf("%d", number); }
  void print(double number) { printf("%.2f", number); }
  void println(const char *text) { printf("%s\n", text); }
  void println(int number) { printf("%d\n", number); }
} Serial;
void setup();
void loop();
int main() { setup(); loop(); }
