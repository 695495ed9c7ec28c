#include "patterns.h"

#define PATTERN(name_, title_, text_, audio_, speed_, hue_) {.id = #name_, .speed = (speed_), .hue = (hue_)},
#define FIRST_PATTERN PATTERN
const struct pattern patterns[] = {
#include "patterns.def"
};
#undef FIRST_PATTERN
#undef PATTERN

const uint32_t pattern_count = sizeof(patterns) / sizeof(patterns[0]);

/* A triangle wave of 1024 steps and height 1023. */
static uint16_t wave(uint32_t phase)
{
    uint32_t position = phase % 1024U;

    return (uint16_t)(position < 512U ? position * 2U : (1023U - position) * 2U + 1U);
}

void pattern_draw(const struct pattern *pattern, uint32_t frame, struct strip *strip)
{
    for (uint32_t light = 0; light < STRIP_LENGTH; light++) {
        uint32_t phase = frame * pattern->speed + light * 6U + pattern->hue;

        strip->linear[light][0] = wave(phase);
        strip->linear[light][1] = wave(phase + 341U);
        strip->linear[light][2] = wave(phase + 682U);
    }
}
