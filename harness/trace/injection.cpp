// The symbol by which NVTX finds a tool that is linked into the program. It stands in an OBJECT
// library, since the linker leaves a member out of a static one that only a weak symbol asks for,
// and this file includes no NVTX header, since those define the same symbol weakly. Null means "no
// tool": NVTX then turns every range into a test of a null pointer. A library named by the
// environment variable NVTX_INJECTION64_PATH comes first, so nsys and ncu still work.

extern "C" {
// NVTX's type: int (*)(NvtxGetExportTableFunc_t).
using AshlarNvtxInitialize = int (*)(const void* (*)(unsigned));
AshlarNvtxInitialize InitializeInjectionNvtx2_fnptr = nullptr;
}
