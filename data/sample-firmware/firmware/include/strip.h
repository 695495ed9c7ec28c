/* The strip of lights: what is drawn, and what goes out on the wire. */

#ifndef STRIP_H
#define STRIP_H

#include <stdint.h>

#define STRIP_LENGTH 160
#define STRIP_CHANNELS 3

struct strip {
    uint16_t linear[STRIP_LENGTH][STRIP_CHANNELS];
    uint16_t wire[STRIP_LENGTH][STRIP_CHANNELS];
};

#ifdef __cplusplus
extern "C" {
#endif

void strip_quantize(struct strip *strip, uint32_t brightness);

#ifdef __cplusplus
}
#endif

#endif
