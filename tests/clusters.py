"""A Ray cluster of two nodes on this machine, each with one processor and an address of its own."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NODE = {"num_cpus": 1, "object_store_memory": 100_000_000, "memory": 8_000_000_000}
LONG = '''"""Mine, and not finished at once."""
from torch import nn
import featherweight as fw

def network():
    return nn.Sequential(nn.MaxPool2d(4), nn.Flatten(), nn.Linear(49, 16), nn.ReLU(), nn.Linear(16, 10))

experiment = fw.Experiment(title='long', network=network, recipe=fw.Recipe(epochs=EPOCHS, batch=64, lr=0.05),
                           budget=fw.Budget(parameters=1000, epochs=1000, accuracy=50, held=1),
                           bar=fw.Bar(seeds=2, mean=50.0))
'''


@dataclass
class Two:
    """The cluster."""

    cluster: Any
    address: str
    second: Any

    def kill_second(self) -> None:
        """End the second node as a machine that loses its power does."""
        own = [one.process.pid for kind in self.second.all_processes.values() for one in kind]
        for one in (*own, *workers_of(own)):
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)

    def add(self, address: str) -> Any:
        """Have another node join."""
        return self.cluster.add_node(node_ip_address=address, **NODE)


def workers_of(parents: list[int]) -> list[int]:
    """The processes that these have started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text().rsplit(")", 1)[1].split()[1]) in parents:
                found.append(int(stat.parent.name))
    return found


@contextmanager
def two_nodes() -> Iterator[Two]:
    """A head and a second node, and this process connected to them."""
    import ray
    from ray.cluster_utils import Cluster

    # Workers are nice by default, and would wait for the other tests; a dead node is to be noticed in a second. One
    # that is merely slow is given the ten seconds that each check may take.
    os.environ |= {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    quick = {"health_check_initial_delay_ms": 2000, "health_check_period_ms": 200, "health_check_failure_threshold": 5}
    head = {**NODE, "include_dashboard": False, "include_log_monitor": False, "_system_config": quick}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        second = cluster.add_node(node_ip_address="127.0.0.2", **NODE)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        yield Two(cluster=cluster, address=cluster.address, second=second)
    finally:
        ray.shutdown()
        cluster.shutdown()


def long_file(folder: Path, epochs: int) -> Path:
    """An experiment that trains for so many epochs, which take some hundredths of a second each."""
    path = folder / "long.py"
    path.write_text(LONG.replace("EPOCHS", str(epochs)))
    return path


BRAKE = """
import time
from pathlib import Path

class Brake(nn.Module):
    def forward(self, images):
        if self.training and Path(BRAKE).exists():
            time.sleep(0.02)
        return images

"""


def braked_file(folder: Path, epochs: int) -> tuple[Path, Path]:
    """The same with an epoch of half a second for as long as the second file exists, so that a test can be sure to
    meet the run under way; both give the same bits."""
    brake = folder / "brake"
    brake.touch()
    path = long_file(folder, epochs)
    text = path.read_text().replace("nn.MaxPool2d(4),", "nn.MaxPool2d(4), Brake(),")
    path.write_text(text.replace("def network", BRAKE.replace("BRAKE)", f"{str(brake)!r})") + "def network"))
    return path, brake
