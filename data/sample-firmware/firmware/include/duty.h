/* Duty cycle of a light by brightness step and linear value: a table, for there is no time to compute it. */

#ifndef DUTY_H
#define DUTY_H

#include <stdint.h>

#define DUTY_STEPS 32
#define DUTY_VALUES 1024

extern const uint16_t duty_table[DUTY_STEPS][DUTY_VALUES];

#endif
