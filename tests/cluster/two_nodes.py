"""Two Ray nodes on this machine: prints their address; the first line of input kills the second.

They end when the input does.
"""

import sys
from typing import Any

from ray.cluster_utils import Cluster

MEMORY = 100_000_000


def main() -> None:
    cluster: Any = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 1,
            "object_store_memory": MEMORY,
            "include_dashboard": False,
        },
    )
    second = cluster.add_node(num_cpus=1, object_store_memory=MEMORY)
    sys.stdout.write(f"{cluster.address}\n")
    sys.stdout.flush()
    if sys.stdin.readline():
        cluster.remove_node(second, allow_graceful=False)
        sys.stdin.readline()
    cluster.shutdown()


if __name__ == "__main__":
    main()
