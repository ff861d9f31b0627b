/* Stands in for libamd_smi.so 7.0: as much of it as is needed to list names of GPUs. The functions
 * that the binding looks up besides are in rest.c, which the test makes.
 *
 * STANDIN_GPUS   how many GPUs there are (1), at 0000:01:00.0 and on
 * STANDIN_ERROR  code that starting the library gives
 * STANDIN_DOES   `hang` or `crash` instead
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#pragma pack(push, 1)
typedef struct {
    char market_name[256];
    uint32_t vendor_id;
    char vendor_name[256];
    uint32_t subvendor_id;
    uint64_t device_id;
    uint32_t rev_id;
    char asic_serial[256];
    char rest[1024];
} asic_t;
#pragma pack(pop)

static unsigned number(const char *name, unsigned usual)
{
    const char *text = getenv(name);
    return text ? (unsigned)atoi(text) : usual;
}

int amdsmi_init(uint64_t flags)
{
    const char *does = getenv("STANDIN_DOES");
    (void)flags;
    if (does && !strcmp(does, "crash"))
        abort();
    if (does && !strcmp(does, "hang"))
        for (;;)
            pause();
    return (int)number("STANDIN_ERROR", 0);
}
int amdsmi_shut_down(void) { return 0; }
int amdsmi_get_socket_handles(uint32_t *count, void **handles)
{
    *count = 1;
    if (handles)
        handles[0] = (void *)1;
    return 0;
}
int amdsmi_get_processor_handles(void *socket, uint32_t *count, void **handles)
{
    unsigned n = number("STANDIN_GPUS", 1);
    (void)socket;
    *count = n;
    for (unsigned i = 0; handles && i < n; i++)
        handles[i] = (void *)(uintptr_t)(i + 1);
    return 0;
}
int amdsmi_get_gpu_device_bdf(void *handle, uint64_t *place)
{
    *place = (uint64_t)(uintptr_t)handle << 8; /* function: 3 bits, device: 5, bus: 8, domain: 48 */
    return 0;
}
int amdsmi_get_gpu_asic_info(void *handle, asic_t *info)
{
    memset(info, 0, offsetof(asic_t, rest));
    snprintf(info->market_name, sizeof info->market_name, "Stand-in %d", (int)(uintptr_t)handle - 1);
    snprintf(info->asic_serial, sizeof info->asic_serial, "0x1");
    return 0;
}
