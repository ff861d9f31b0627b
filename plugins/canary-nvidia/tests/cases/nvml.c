/* Stands in for the driver's libnvidia-ml.so.1: as much of it as is needed to list GPUs.
 *
 * STANDIN_GPUS   how many GPUs there are (1)
 * STANDIN_MIG    GPUs below this number are split into two slices, with a gap between them
 * STANDIN_LOST   this GPU has fallen off the bus
 * STANDIN_ERROR  code that starting the library gives
 * STANDIN_DOES   `hang` or `crash` instead
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, LOST = 15 };
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct {
    char legacy[16];
    unsigned domain, bus, device, id, subsystem;
    char text[32];
} pci_t;

static unsigned number(const char *name, unsigned usual)
{
    const char *text = getenv(name);
    return text ? (unsigned)atoi(text) : usual;
}

/* a handle is 1 + index of the GPU, and 0x100 * (1 + number) for a slice */
static unsigned gpu(void *handle) { return ((unsigned)(uintptr_t)handle & 0xff) - 1; }
static unsigned slice(void *handle) { return (unsigned)(uintptr_t)handle >> 8; }

int nvmlInit_v2(void)
{
    const char *does = getenv("STANDIN_DOES");
    if (does && !strcmp(does, "crash"))
        abort();
    if (does && !strcmp(does, "hang"))
        for (;;)
            pause();
    return (int)number("STANDIN_ERROR", OK);
}
int nvmlInitWithFlags(unsigned flags) { (void)flags; return nvmlInit_v2(); }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code)
{
    return code == 9 ? "Driver Not Loaded" : code == LOST ? "GPU is lost" : "Unknown Error";
}
int nvmlDeviceGetCount_v2(unsigned *count) { *count = number("STANDIN_GPUS", 1); return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle)
{
    if (index == number("STANDIN_LOST", 999))
        return LOST;
    if (index >= number("STANDIN_GPUS", 1))
        return INVALID;
    *handle = (void *)(uintptr_t)(index + 1);
    return OK;
}
int nvmlDeviceGetUUID(void *handle, char *text, unsigned size)
{
    if (slice(handle))
        snprintf(text, size, "MIG-%08x-0000-0000-0000-%012x", gpu(handle), slice(handle) - 1);
    else
        snprintf(text, size, "GPU-%08x-0000-0000-0000-000000000000", gpu(handle));
    return OK;
}
int nvmlDeviceGetName(void *handle, char *text, unsigned size)
{
    snprintf(text, size, "Stand-in %u", gpu(handle));
    return OK;
}
int nvmlDeviceGetMemoryInfo(void *handle, memory_t *memory)
{
    memory->total = slice(handle) ? 8ULL << 30 : 16ULL << 30;
    memory->used = 0;
    memory->free = memory->total;
    return OK;
}
int nvmlDeviceGetMigMode(void *handle, unsigned *now, unsigned *next)
{
    if (gpu(handle) >= number("STANDIN_MIG", 0))
        return NOT_SUPPORTED;
    *now = *next = 1;
    return OK;
}
int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *count) { (void)handle; *count = 7; return OK; }
int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned number, void **part)
{
    if (number != 0 && number != 2)
        return NOT_FOUND;
    *part = (void *)((uintptr_t)handle + 0x100 * (number + 1));
    return OK;
}
int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor)
{
    (void)handle;
    *major = 9;
    *minor = 0;
    return OK;
}
int nvmlDeviceGetPciInfo_v3(void *handle, pci_t *pci)
{
    if (slice(handle))
        return NOT_SUPPORTED;
    memset(pci, 0, sizeof *pci);
    snprintf(pci->text, sizeof pci->text, "00000000:%02X:00.0", gpu(handle) + 1);
    return OK;
}
