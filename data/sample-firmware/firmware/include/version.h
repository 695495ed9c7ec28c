/* The version of this firmware. Together with the build stamp it is what the app descriptor shows. */

#ifndef VERSION_H
#define VERSION_H

#define FIRMWARE_VERSION "1.0.0"

/* The K1's web server serves this macro as build.arduino_release; the builder sets it to k1-<commit>. */
#ifdef ARDUINO_ESP32_RELEASE_3_0_0
#define DESCRIPTOR_VERSION FIRMWARE_VERSION "+" ARDUINO_ESP32_RELEASE_3_0_0
#else
#define DESCRIPTOR_VERSION FIRMWARE_VERSION
#endif

#endif
