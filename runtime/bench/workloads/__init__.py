"""A file for each of W1 to W9."""

from runtime.bench.workload import Workload
from runtime.bench.workloads.actors import W5
from runtime.bench.workloads.fan_out import W4
from runtime.bench.workloads.five_steps import W2
from runtime.bench.workloads.five_tasks import W3
from runtime.bench.workloads.one_step import W1
from runtime.bench.workloads.paced import W8
from runtime.bench.workloads.recovery import W9
from runtime.bench.workloads.replay import W6
from runtime.bench.workloads.sleepers import W7

WORKLOADS: dict[str, Workload] = {workload.key: workload for workload in (W1, W2, W3, W4, W5, W6, W7, W8, W9)}
