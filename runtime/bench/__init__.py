"""The benchmark: workloads on real private servers, measured with the CPU that each process spends on them."""
