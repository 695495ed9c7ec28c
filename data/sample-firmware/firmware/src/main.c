/* Draw every pattern in turn, for ever. */

#include "patterns.h"
#include "strip.h"

#define BRIGHTNESS 24
#define FRAMES_PER_PATTERN 1200

static struct strip strip;

/* Stands for the peripheral that shifts the frame out; volatile, so that the frame is really made. */
static volatile uint16_t transmitter;

static void transmit(const struct strip *frame)
{
    for (uint32_t light = 0; light < STRIP_LENGTH; light++) {
        for (uint32_t channel = 0; channel < STRIP_CHANNELS; channel++) {
            transmitter = frame->wire[light][channel];
        }
    }
}

void call_start_cpu0(void)
{
    for (uint32_t frame = 0;; frame++) {
        pattern_draw(&patterns[frame / FRAMES_PER_PATTERN % pattern_count], frame, &strip);
        strip_quantize(&strip, BRIGHTNESS);
        transmit(&strip);
    }
}
