#include "strip.h"

#include "duty.h"

void strip_quantize(struct strip *strip, uint32_t brightness)
{
    const uint16_t *row = duty_table[brightness % DUTY_STEPS];

    for (uint32_t light = 0; light < STRIP_LENGTH; light++) {
        for (uint32_t channel = 0; channel < STRIP_CHANNELS; channel++) {
            strip->wire[light][channel] = row[strip->linear[light][channel] % DUTY_VALUES];
        }
    }
}
