"""A broker that speaks Kafka's protocol over TCP: the one that librdkafka brings for tests, as a process.

It keeps everything in memory, and says on standard output where it listens.
"""

from __future__ import annotations

import ctypes
import signal
import sys
from pathlib import Path

import confluent_kafka

_PRODUCER = 0
_REBALANCE_MS = 50
"""How long a new group waits for more members; librdkafka's own 3 s are for its own tests."""


def library() -> ctypes.CDLL:
    """The librdkafka that confluent_kafka has loaded."""
    folder = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    found = ctypes.CDLL(str(next(folder.glob("librdkafka*.so*"))))
    found.rd_kafka_conf_new.restype = ctypes.c_void_p
    found.rd_kafka_new.restype = ctypes.c_void_p
    found.rd_kafka_new.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    found.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
    found.rd_kafka_mock_cluster_new.argtypes = [ctypes.c_void_p, ctypes.c_int]
    found.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    found.rd_kafka_mock_cluster_bootstraps.argtypes = [ctypes.c_void_p]
    found.rd_kafka_mock_group_initial_rebalance_delay_ms.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    return found


def main() -> None:
    """Run it, and say where it listens."""
    kafka = library()
    words = ctypes.create_string_buffer(512)
    handle = kafka.rd_kafka_new(_PRODUCER, kafka.rd_kafka_conf_new(), words, len(words))
    if not handle:
        sys.exit(words.value.decode())
    cluster = kafka.rd_kafka_mock_cluster_new(handle, 1)
    kafka.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, _REBALANCE_MS)
    print(kafka.rd_kafka_mock_cluster_bootstraps(cluster).decode(), flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
