/* The pattern table and how a pattern is drawn. */

#ifndef PATTERNS_H
#define PATTERNS_H

#include <stdint.h>

#include "strip.h"

struct pattern {
    const char *id;
    uint16_t speed;
    uint16_t hue;
};

extern const struct pattern patterns[];
extern const uint32_t pattern_count;

void pattern_draw(const struct pattern *pattern, uint32_t frame, struct strip *strip);

#endif
