#include "patterns.h"

#define FIRST_PATTERN(...)
#define PATTERN(...)
#define DRAWN_PATTERN(name_, ...) void draw_##name_(uint32_t frame, struct strip *strip);
#include "patterns.def"
#undef DRAWN_PATTERN
#undef PATTERN
#undef FIRST_PATTERN

#define PATTERN(name_, title_, text_, audio_, speed_, hue_) {.id = #name_, .speed = (speed_), .hue = (hue_)},
#define FIRST_PATTERN PATTERN
#define DRAWN_PATTERN(name_, ...) {.id = #name_, .draw = draw_##name_},
const struct pattern patterns[] = {
#include "patterns.def"
};
#undef DRAWN_PATTERN
#undef FIRST_PATTERN
#undef PATTERN

const uint32_t pattern_count = sizeof(patterns) / sizeof(patterns[0]);

uint16_t pattern_wave(uint32_t phase)
{
    uint32_t position = phase % 1024U;

    return (uint16_t)(position < 512U ? position * 2U : (1023U - position) * 2U + 1U);
}

void pattern_draw(const struct pattern *pattern, uint32_t frame, struct strip *strip)
{
    if (pattern->draw) {
        pattern->draw(frame, strip);
        return;
    }
    for (uint32_t light = 0; light < STRIP_LENGTH; light++) {
        uint32_t phase = frame * pattern->speed + light * 6U + pattern->hue;

        strip->linear[light][0] = pattern_wave(phase);
        strip->linear[light][1] = pattern_wave(phase + 341U);
        strip->linear[light][2] = pattern_wave(phase + 682U);
    }
}
