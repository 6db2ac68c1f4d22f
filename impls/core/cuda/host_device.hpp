#pragma once
// Markers for code that runs on a GPU and is tested on a CPU.

/// Index arithmetic and other pure functions: compiled for both sides.
#ifdef __CUDACC__
#define ASHLAR_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define ASHLAR_HOST_DEVICE inline
#endif

/// Templates over a machine type (the GPU's intrinsics, or a CPU model of them): nvcc compiles them
/// for the device alone, since a function for both sides could not call intrinsics.
#ifdef __CUDACC__
#define ASHLAR_KERNEL_CODE __device__ __forceinline__
#else
#define ASHLAR_KERNEL_CODE inline
#endif

/// Before a loop whose trip count is a compile-time constant: arrays indexed in it stay in
/// registers.
#ifdef __CUDA_ARCH__
#define ASHLAR_UNROLL _Pragma("unroll")
#else
#define ASHLAR_UNROLL
#endif

/// Before a loop of which the compiler shall not make several copies.
#ifdef __CUDA_ARCH__
#define ASHLAR_NO_UNROLL _Pragma("unroll 1")
#else
#define ASHLAR_NO_UNROLL
#endif
