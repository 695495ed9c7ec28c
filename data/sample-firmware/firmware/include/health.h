/*
 * What a simulated device that runs this firmware measures about itself.
 *
 * Change a figure, commit, build and deploy, and the simulated device is as healthy as you wrote it here.
 * Numbers are copied into JSON as they stand: write 120.0, not 120.0f or (120.0).
 */

#ifndef HEALTH_H
#define HEALTH_H

#define HEALTH_STATUS "ok"

/* Frames per second; a healthy K1 holds 30 or more. */
#define HEALTH_FPS 118.4

/* Heap in KiB; below 50 free a K1 is close to failing allocations. */
#define HEALTH_MEMORY_FREE_KB 148
#define HEALTH_MEMORY_TOTAL_KB 297

/* Microseconds per frame, by stage; rendering above 20000 counts as too slow. */
#define HEALTH_RENDER_AVG_US 5210.5
#define HEALTH_QUANTIZE_AVG_US 612.25
#define HEALTH_RMT_WAIT_AVG_US 1840.0
#define HEALTH_RMT_TX_AVG_US 52.75

/* Signal of the access point, in dBm. */
#define HEALTH_RSSI_DBM -54

#endif
