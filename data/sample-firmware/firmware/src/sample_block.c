/*
 * What a simulated device becomes when it runs this image: a marker, then JSON, then NUL.
 * The simulator reads it from the bytes it received; nothing else tells it what the firmware is like.
 */

#include "health.h"

#define TEXT_(value) #value
#define TEXT(value) TEXT_(value)
#define NUMBER(name, value) "\"" name "\":" TEXT(value)

#define ENTRY(id_, name_, text_, audio_, style_, speed_, hue_, level_) \
    "{\"id\":\"" #id_ "\",\"name\":\"" name_ "\",\"description\":\"" text_ "\",\"audio_reactive\":" #audio_ \
    ",\"light\":{\"style\":\"" #style_ "\",\"speed\":" #speed_ ",\"hue\":" #hue_ ",\"level\":" #level_ "}}"
#define FIRST_PATTERN(id_, name_, text_, audio_, speed_, hue_) ENTRY(id_, name_, text_, audio_, wave, speed_, hue_, 1023)
#define PATTERN(...) "," FIRST_PATTERN(__VA_ARGS__)
#define DRAWN_PATTERN(...) "," ENTRY(__VA_ARGS__)

__attribute__((used)) const char sample_block[] =
    "K1NB-SAMPLE-JSON"
    "{\"format\":1,"
#ifdef ARDUINO_ESP32_RELEASE_3_0_0
    "\"stamp\":\"" ARDUINO_ESP32_RELEASE_3_0_0 "\","
#endif
    "\"patterns\":["
#include "patterns.def"
    "],"
    "\"health\":{\"status\":\"" HEALTH_STATUS "\","
    NUMBER("fps", HEALTH_FPS) ","
    NUMBER("memory_free_kb", HEALTH_MEMORY_FREE_KB) ","
    NUMBER("memory_total_kb", HEALTH_MEMORY_TOTAL_KB) ","
    NUMBER("render_avg_us", HEALTH_RENDER_AVG_US) ","
    NUMBER("quantize_avg_us", HEALTH_QUANTIZE_AVG_US) ","
    NUMBER("rmt_wait_avg_us", HEALTH_RMT_WAIT_AVG_US) ","
    NUMBER("rmt_tx_avg_us", HEALTH_RMT_TX_AVG_US) ","
    NUMBER("rssi_dbm", HEALTH_RSSI_DBM) "}}";
