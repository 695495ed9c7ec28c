/*
 * 64 KiB of duty cycles: gamma 2 on 10-bit values, scaled by 32 brightness steps to 16 bits.
 * The preprocessor writes the table out, so that it needs no generator and lies in flash.
 */

#include "duty.h"

#define DUTY(step, value) ((uint16_t)((((value) * (value)) / 1023UL) * (step) * 65535UL / (1023UL * 31UL)))

#define VALUES_4(s, v) DUTY(s, v), DUTY(s, v + 1UL), DUTY(s, v + 2UL), DUTY(s, v + 3UL)
#define VALUES_16(s, v) VALUES_4(s, v), VALUES_4(s, v + 4UL), VALUES_4(s, v + 8UL), VALUES_4(s, v + 12UL)
#define VALUES_64(s, v) VALUES_16(s, v), VALUES_16(s, v + 16UL), VALUES_16(s, v + 32UL), VALUES_16(s, v + 48UL)
#define VALUES_256(s, v) VALUES_64(s, v), VALUES_64(s, v + 64UL), VALUES_64(s, v + 128UL), VALUES_64(s, v + 192UL)
#define ROW(s) {VALUES_256(s, 0UL), VALUES_256(s, 256UL), VALUES_256(s, 512UL), VALUES_256(s, 768UL)}
#define ROWS_8(s) ROW(s), ROW(s + 1UL), ROW(s + 2UL), ROW(s + 3UL), ROW(s + 4UL), ROW(s + 5UL), ROW(s + 6UL), ROW(s + 7UL)

const uint16_t duty_table[DUTY_STEPS][DUTY_VALUES] = {ROWS_8(0UL), ROWS_8(8UL), ROWS_8(16UL), ROWS_8(24UL)};
