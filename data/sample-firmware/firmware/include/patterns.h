/* The pattern table and how a pattern is drawn. */

#ifndef PATTERNS_H
#define PATTERNS_H

#include <stdint.h>

#include "strip.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pattern {
    const char *id;
    void (*draw)(uint32_t frame, struct strip *strip); /* null for a wave */
    uint16_t speed;
    uint16_t hue;
};

extern const struct pattern patterns[];
extern const uint32_t pattern_count;

void pattern_draw(const struct pattern *pattern, uint32_t frame, struct strip *strip);

/* A triangle wave of 1024 steps and height 1023. */
uint16_t pattern_wave(uint32_t phase);

#ifdef __cplusplus
}
#endif

#endif
